"""A segment: immutable memory-mapped multi-index tables over the hashes of up to 2^32 - 1 rows. See docs/formats/similarity-index.md."""

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from demur.similarity.tables.build import build
from demur.similarity.tables.errors import RadiusTooLarge
from demur.similarity.tables.header import HASHES, ROWS, STARTS, Header
from demur.similarity.tables.layout import I64, MAX_RADIUS, TABLES, U64
from demur.similarity.tables.search import U32, buckets, matching, permuted, places

Scalar = TypeVar("Scalar", bound=np.generic)
SCAN_ROWS = 1 << 20


@dataclass(frozen=True)
class Hits:
    """Parallel arrays, ordered by query, then by row: `rows[i]` is `distances[i]` bits (of 64) from query number `queries[i]`."""

    queries: npt.NDArray[np.int32]
    rows: npt.NDArray[np.uint32]
    distances: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rows)


class Segment:
    """An open segment; safe to share between threads."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path, self._header = path, header
        self._tables = _mapped(path / HASHES, np.uint64).reshape(TABLES, header.rows)
        self._rows = _mapped(path / ROWS, np.uint32)
        self._starts = _mapped(path / STARTS, np.uint32)

    @classmethod
    def build(
        cls,
        path: Path,
        batches: Callable[[], Iterator[tuple[U64, U32]]],
        rows: int,
        *,
        progress: Callable[[int, int], None] | None = None,
        memory: int = 1 << 30,
    ) -> None:
        """Writes the segment of `rows` pairs of phash and row number, in any order, which each call of `batches` gives anew.

        After a crash, another call with the same path goes on after what was finished; `segment.json` appears last. `memory` bounds the
        bytes held at once. Raises IndexTooLarge, NoSpace, OSError.
        """
        build(path, batches, rows, progress=progress, memory=memory)

    @classmethod
    def open(cls, path: Path) -> "Segment":
        """Maps a segment, after checking its header and the sizes of its files. Raises NotAnIndex, TornIndex, OSError."""
        return cls(path, Header.read(path))

    def __len__(self) -> int:
        return self.rows

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return self._header.rows

    @property
    def bytes_on_disk(self) -> int:
        """The sum of its files' sizes but for `segment.json`."""
        return sum(self._header.sizes.values())

    def query(self, phashes: U64, radius: int) -> Hits:
        """All rows within `radius` bits of each of a few hashes (Q,). Raises RadiusTooLarge."""
        refuse_large(radius)
        asked = permuted(np.asarray(phashes, dtype=np.uint64), self._header.layout.forward)
        found = [self._one(number, phash, radius) for number, phash in enumerate(asked)]
        return _gathered(found)

    def _one(self, number: int, asked: np.uint64, radius: int) -> Hits:
        layout = self._header.layout
        probe = layout.probe(radius)
        runs = buckets(self._starts, probe, asked)
        hashes, distances = matching(self._tables, probe, runs, asked)
        spans = places(self._tables[0], self._starts, probe.shifts[0], hashes)
        counts = spans[:, 1] - spans[:, 0]
        rows = self._rows[_all_of(spans, counts)]
        order = np.argsort(rows)
        return Hits(np.full(len(rows), number, dtype=np.int32), rows[order], np.repeat(distances, counts)[order])

    def join(self, phashes: U64, radius: int, progress: Callable[[int, int], None] | None = None) -> Iterator[Hits]:
        """All rows within `radius` bits of each of many hashes, in blocks: each pair is in exactly one of them. Raises RadiusTooLarge."""
        refuse_large(radius)
        yield self.query(phashes, radius)

    def scan(self) -> Iterator[tuple[U64, U32]]:
        """All phashes and rows, in blocks."""
        for start in range(0, self.rows, SCAN_ROWS):
            block = slice(start, start + SCAN_ROWS)
            yield permuted(self._tables[0, block], self._header.layout.backward), self._rows[block].copy()

    def verify(self) -> None:
        """Reads all of it and compares the digests. Raises TornIndex, OSError."""
        self._header.verify(self._path)

    def close(self) -> None:
        """Lets go of the files. Using the segment afterwards finds nothing to read."""
        del self._tables, self._rows, self._starts


def refuse_large(radius: int) -> None:
    """Raises RadiusTooLarge."""
    if not 0 <= radius <= MAX_RADIUS:
        raise RadiusTooLarge(f"a radius of {radius} bits cannot be searched; 0 to {MAX_RADIUS} can")


def _mapped(path: Path, scalar: type[Scalar]) -> npt.NDArray[Scalar]:
    if path.stat().st_size == 0:
        return np.empty(0, dtype=scalar)
    with path.open("rb") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=scalar)


def _all_of(spans: I64, counts: I64) -> I64:
    """Every number in each of the spans, one after the other."""
    return np.repeat(spans[:, 0] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())


def _gathered(found: list[Hits]) -> Hits:
    nothing = Hits(np.empty(0, np.int32), np.empty(0, np.uint32), np.empty(0, np.uint8))
    parts = [nothing, *found]
    return Hits(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("queries", "rows", "distances")))
