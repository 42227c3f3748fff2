"""The files of a segment, mapped; and what a search finds in them."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from demur.similarity.tables.errors import TornIndex
from demur.similarity.tables.header import HASHES, ROWS, STARTS, Header
from demur.similarity.tables.layout import I64, TABLES, U64, Layout, Probe
from demur.similarity.tables.paging import ask_if_cold, mapped, will_need
from demur.similarity.tables.search import U32, first_buckets, places


@dataclass(frozen=True)
class Hits:
    """Parallel arrays, ordered by query, then by row: `rows[i]` is `distances[i]` bits (of 64) from query number `queries[i]`."""

    queries: npt.NDArray[np.int32]
    rows: npt.NDArray[np.uint32]
    distances: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def joined(cls, parts: "list[Hits]") -> "Hits":
        """All of the parts, one after the other."""
        nothing = cls(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.uint8))
        return cls(*(np.concatenate([getattr(part, name) for part in [nothing, *parts]]) for name in ("queries", "rows", "distances")))


@dataclass(frozen=True)
class Tables:
    """`hashes` (3, n): each table's permuted and rotated hashes, ascending. `rows` (n,): of table 0's. `starts`: all directories."""

    layout: Layout
    hashes: U64
    rows: U32
    starts: U32

    @classmethod
    def map(cls, directory: Path, header: Header) -> "Tables":
        """Raises TornIndex for directories that would lead a search out of the tables, OSError."""
        hashes = mapped(directory / HASHES, np.uint64).reshape(TABLES, header.rows)
        rows, starts = mapped(directory / ROWS, np.uint32), mapped(directory / STARTS, np.uint32)
        will_need(starts, np.array([[0, len(starts)]]))
        for first, last in pairwise(header.layout.firsts):
            if not _leads_inside(starts[first:last], header.rows):
                raise TornIndex(f"{directory / STARTS} has been altered or damaged: its buckets do not ascend. Build the index again.")
        return cls(header.layout, hashes, rows, starts)

    def spans(self, probe: Probe, hashes: U64) -> I64:
        """(hashes, 2): first and last + 1 row, in `rows`, of each permuted hash that the tables have."""
        ask_if_cold(self.hashes[0], first_buckets(self.starts, probe, hashes))
        spans = places(self.hashes[0], self.starts, probe, hashes)
        ask_if_cold(self.rows, spans)
        return spans


def _leads_inside(directory: U32, rows: int) -> bool:
    return bool(directory[0] == 0 and directory[-1] == rows and np.all(directory[:-1] <= directory[1:]))


def all_between(spans: I64) -> I64:
    """Every number in each of the spans (n, 2), one span after the other."""
    counts = spans[:, 1] - spans[:, 0]
    return np.repeat(spans[:, 1] - np.cumsum(counts), counts) + np.arange(counts.sum())
