"""The newest rows of an index: too few to be worth tables, so they are held in memory and scanned."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from demur.files import atomic_write
from demur.similarity.index.generation import Table
from demur.similarity.kernels import compiled, popcount
from demur.similarity.segment import Hits
from demur.similarity.tables.errors import TornIndex
from demur.similarity.tables.layout import U64

U32 = npt.NDArray[np.uint32]
AT_ONCE, ENOUGH = 1 << 16, 1 << 20
"""Queries of one block of a join, and hits after which it ends."""


@dataclass(frozen=True)
class Delta:
    """Parallel arrays: a phash, and the number of the row that has it; numbers ascend."""

    phashes: U64
    rows: U32

    @classmethod
    def of(cls, phashes: U64, rows: U32) -> "Delta":
        """From pairs in any order."""
        order = np.argsort(rows)
        return cls(phashes[order], rows[order])

    @classmethod
    def open(cls, directory: Path, tables: tuple[Table, ...]) -> "Delta":
        """What several files hold together. Raises TornIndex, OSError."""
        parts = [_parsed(checked_bytes(directory, table), table) for table in tables]
        nothing = (np.empty(0, np.uint64), np.empty(0, np.uint32))
        phashes, rows = (np.concatenate(column) for column in zip(nothing, *parts, strict=True))
        return cls.of(phashes, rows)

    def write(self, path: Path) -> Table:
        """Writes the delta's file: all phashes, then all numbers; durable once it returns. Raises OSError."""
        return write_table(path, self.phashes.astype("<u8").tobytes() + self.rows.astype("<u4").tobytes(), len(self))

    def __len__(self) -> int:
        return len(self.rows)

    def query(self, phashes: U64, radius: int) -> Hits:
        """All rows within `radius` bits of each of `phashes` (Q,)."""
        return Hits.joined(list(self.join(phashes, radius)))

    def join(self, phashes: U64, radius: int, progress: Callable[[int, int], None] | None = None) -> Iterator[Hits]:
        """The same in blocks, each of a range of queries and of some ENOUGH hits at most."""
        asked, first = np.ascontiguousarray(phashes, dtype=np.uint64), 0
        while first < len(asked):
            queries, places, distances, first = _scan(self.phashes, asked, first, radius)
            yield Hits(queries, self.rows[places], distances)
            if progress:
                progress(first, len(asked))

    def scan(self) -> Iterator[tuple[U64, U32]]:
        yield self.phashes, self.rows


def write_table(path: Path, data: bytes, rows: int) -> Table:
    """Writes a small file of an index; durable once it returns. Raises OSError."""
    atomic_write(path, data)
    return Table(path.name, rows, hashlib.sha256(data).hexdigest())


def checked_bytes(directory: Path, table: Table) -> bytes:
    """The content of a small file of an index. Raises TornIndex when it is not what was written, OSError."""
    data = (directory / table.name).read_bytes()
    if hashlib.sha256(data).hexdigest() != table.digest:
        raise TornIndex(f"{directory / table.name} has been altered or damaged: its digest does not hold. Build the index again.")
    return data


def _parsed(data: bytes, table: Table) -> tuple[U64, U32]:
    return np.frombuffer(data, "<u8", table.rows), np.frombuffer(data, "<u4", table.rows, offset=8 * table.rows)


@compiled
def _scan(
    stored: U64, asked: U64, first: int, radius: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.uint8], int]:
    """Which query, from the `first` on, is near which place, and how near, by query, then by place; and the query to go on with."""
    queries, places, distances = np.empty(64, np.int32), np.empty(64, np.int64), np.empty(64, np.uint8)
    found, query, last = 0, first, min(first + AT_ONCE, len(asked))
    while query < last and found < ENOUGH:
        near = 0
        for place in range(len(stored)):
            near += popcount(stored[place] ^ asked[query]) <= radius
        while near and found + near > len(places):
            queries, places = np.concatenate((queries, queries)), np.concatenate((places, places))
            distances = np.concatenate((distances, distances))
        for place in range(len(stored) if near else 0):
            distance = popcount(stored[place] ^ asked[query])
            if distance <= radius:
                queries[found], places[found], distances[found] = query, place, distance
                found += 1
        query += 1
    return queries[:found], places[:found], distances[:found], query
