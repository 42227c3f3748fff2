"""Finds every row within a radius of a phash, in all manifests at once. Exact: nothing within the radius is left out.

An index is a directory (docs/formats/similarity-index.md): immutable segments of memory-mapped tables, deltas that are held in memory and
scanned, and tombstones of removed rows. `index.json` says which of them make up the newest generation, and is replaced in one step.
"""

from demur.similarity.index.generation import UnknownSource
from demur.similarity.index.live import Found, joined
from demur.similarity.index.shards import Shards
from demur.similarity.index.similarity_index import SimilarityIndex
from demur.similarity.index.writing import DELTA_ROWS, Batches, PositionsOutside, Progress, SourceRows
from demur.similarity.tables.errors import IndexTooLarge, NoSpace, NotAnIndex, RadiusTooLarge, SegmentError, TornIndex

Searchable = SimilarityIndex | Shards

__all__ = [
    "DELTA_ROWS",
    "Batches",
    "Found",
    "IndexTooLarge",
    "NoSpace",
    "NotAnIndex",
    "PositionsOutside",
    "Progress",
    "RadiusTooLarge",
    "Searchable",
    "SegmentError",
    "Shards",
    "SimilarityIndex",
    "SourceRows",
    "TornIndex",
    "UnknownSource",
    "joined",
]
