"""Which rows of a catalogue entries of the list exclude: looked up where they are few, by one pass over the rows where they are many.

Both find the rows that `Matcher.judge` would exclude, if it were asked about every row of the catalogue.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyroaring import BitMap

from demur.exclusions import KeyKind
from demur.exclusions.columns import PERCEPTUAL_COLUMNS, TEXT_KINDS, all_spellings
from demur.exclusions.matching import Judgement, Matcher
from demur.exclusions.parquet import PHASH
from demur.exclusions.table import EntryTable
from demur.manifests import Catalogue
from demur.manifests.writing import ROW_GROUP_ROWS
from demur.similarity.index import Found, SimilarityIndex
from demur.similarity.rules import PDQ_CONFIRMED, PHASH_RADIUS
from demur.vectors.bitmaps import pieces

Progress = Callable[[int, int, str], None]
"""Is told how much of how much is done, and of which stage."""

PIECE = 1 << 18
"""Rows that are compared at once."""
FEW = 1000
"""Keys up to which each is looked up by itself, however small the catalogue is."""
TOGETHER = 8
"""Hashes that are looked up by one call, which holds all their hits."""


@dataclass(frozen=True)
class Rows:
    """The rows of a catalogue, and the similarity index that knows them by the name `source`. Positions are the catalogue's."""

    catalogue: Catalogue
    index: SimilarityIndex
    source: str

    def excluded(self, entries: EntryTable, progress: Progress) -> BitMap:
        """The positions of all rows that any of these entries excludes. Raises SegmentError, OSError."""
        texts = entries.where(entries.kinds != PHASH)
        unusual = self.catalogue.unusual if len(texts) <= self._lookups else None
        found = self._scanned(texts, progress) if unusual is None else self._looked_up(texts, unusual)
        return found | self._near(entries, progress)

    def judged(self, positions: BitMap, judge: Callable[[pa.Table], Judgement]) -> BitMap:
        """Those of the positions whose rows are excluded by the whole list. Raises OSError."""
        columns = [*(kind.value for kind in TEXT_KINDS), *PERCEPTUAL_COLUMNS]
        excluded = BitMap()
        for piece in pieces(positions, PIECE):
            excluded |= BitMap(piece[judge(self.catalogue.take(piece, columns)).kinds >= 0])
        return excluded

    @property
    def _lookups(self) -> int:
        """To look a key up costs the reading of one row group; of as many keys as there are row groups, a pass over all rows is cheaper."""
        return max(FEW, self.catalogue.rows // ROW_GROUP_ROWS)

    def _looked_up(self, entries: EntryTable, unusual: NDArray[np.uint32]) -> BitMap:
        """`unusual`: rows whose uid or owner is in none of the spellings that are looked up."""
        found = _bitmap(self.catalogue.find_uids(_spelled(KeyKind.UID, entries)))
        for positions in self.catalogue.find_sha256(entries.keys_of(KeyKind.SHA256).to_pylist()):
            found |= _bitmap(positions)
        for owner in _spelled(KeyKind.OWNER, entries):
            rows = self.catalogue.owner_rows(owner)
            found.add_range(rows.start, rows.stop)
        if len(entries) and len(unusual):
            found |= self.judged(BitMap(unusual), Matcher(entries).judge)
        return found | self._scanned(entries[entries.span(KeyKind.URL)], _silent)  # the catalogue finds no row by its url

    def _scanned(self, entries: EntryTable, progress: Progress) -> BitMap:
        found, start = BitMap(), 0
        if not len(entries):
            return found
        matcher, columns = Matcher(entries), [kind.value for kind in entries.counts]
        for batch in self.catalogue.batches(columns):
            excluded = np.flatnonzero(matcher.judge(pa.Table.from_batches([batch])).kinds >= 0)
            found |= _bitmap(excluded + start)
            start += len(batch)
            progress(start, self.catalogue.rows, "reading keys")
        return found

    def _near(self, entries: EntryTable, progress: Progress) -> BitMap:
        """Confirmed near duplicates, as demur.exclusions.near finds them. The index holds every row that can be one."""
        phashes = np.array([int(key, 16) for key in entries.keys_of(KeyKind.PHASH).to_pylist()], dtype=np.uint64)
        pdqs = entries.pdqs.view(np.uint64)
        found = BitMap()
        for hits in self._hits(phashes, progress):
            for start in range(0, len(hits), PIECE):
                asked, positions = hits.queries[start : start + PIECE], hits.positions[start : start + PIECE]
                distances = np.bitwise_count(self.catalogue.pdq(positions).view(np.uint64) ^ pdqs[asked]).sum(axis=1, dtype=np.int64)
                found |= _bitmap(positions[distances <= PDQ_CONFIRMED])
        return found

    def _hits(self, phashes: NDArray[np.uint64], progress: Progress) -> Iterator[Found]:
        if len(phashes) > FEW:
            yield from self.index.query_batch(
                phashes, PHASH_RADIUS, [self.source], lambda done, total: progress(done, total, "comparing looks")
            )
            return
        for start in range(0, len(phashes), TOGETHER):
            found = self.index.query(phashes[start : start + TOGETHER], PHASH_RADIUS, [self.source])
            yield replace(found, queries=found.queries + np.int32(start))


def _spelled(kind: KeyKind, entries: EntryTable) -> list[str]:
    """The keys of a kind, in each way in which a catalogue usually holds them."""
    return [spelled for key in entries.keys_of(kind).to_pylist() for spelled in all_spellings(key, kind)]


def _bitmap(positions: NDArray[np.int64]) -> BitMap:
    return BitMap(positions[positions >= 0].astype(np.uint32))


def _silent(done: int, total: int, stage: str) -> None:
    pass
