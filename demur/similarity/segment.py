"""A segment: immutable memory-mapped multi-index tables over the hashes of up to 2^32 - 1 rows. See docs/formats/similarity-index.md."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from demur.similarity.tables.build import build
from demur.similarity.tables.errors import RadiusTooLarge
from demur.similarity.tables.header import Header
from demur.similarity.tables.join import Join
from demur.similarity.tables.layout import MAX_RADIUS, U64
from demur.similarity.tables.opened import Hits, Tables
from demur.similarity.tables.paging import will_need
from demur.similarity.tables.query import query
from demur.similarity.tables.search import U32, permuted

__all__ = ["MAX_RADIUS", "Hits", "Segment"]

SCAN_ROWS, SCAN_AHEAD = 1 << 20, 8


class Segment:
    """An open segment; safe to share between threads."""

    def __init__(self, path: Path, header: Header, tables: Tables) -> None:
        self._path, self._header, self._tables = path, header, tables

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
        """Writes the segment of `rows` pairs of phash and distinct row number, in any order, which each call of `batches` gives anew.

        After a crash, another call with the same path goes on after what was finished; `segment.json` appears last. `memory` bounds the
        bytes held at once, unless a great many hashes are equal. `progress` is told how many of how many steps are done. Raises
        IndexTooLarge, WrongRows, NoSpace, OSError.
        """
        build(path, batches, rows, progress=progress, memory=memory)

    @classmethod
    def open(cls, path: Path) -> "Segment":
        """Maps a segment, after checking its header, the sizes of its files and its directories. Raises NotAnIndex, TornIndex, OSError."""
        header = Header.read(path)
        return cls(path, header, Tables.map(path, header))

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
        _refuse_large(radius)
        return query(self._tables, np.asarray(phashes, dtype=np.uint64), radius)

    def join(self, phashes: U64, radius: int, progress: Callable[[int, int], None] | None = None) -> Iterator[Hits]:
        """All rows within `radius` bits of each of many hashes, in blocks: each pair is in exactly one. Raises RadiusTooLarge.

        Reads all tables once from end to end, so it pays from some thousand queries on. `progress` is told how many of how many entries
        are read.
        """
        _refuse_large(radius)
        return Join(self._tables, np.asarray(phashes, dtype=np.uint64), radius, progress).hits()

    def scan(self) -> Iterator[tuple[U64, U32]]:
        """All phashes and rows, in blocks, with the disk kept some blocks ahead."""
        hashes, rows = self._tables.hashes[0], self._tables.rows
        asked = 0
        for start in range(0, self.rows, SCAN_ROWS):
            ahead = min(start + SCAN_AHEAD * SCAN_ROWS, self.rows)
            for entries in (hashes, rows):
                will_need(entries, np.array([[asked, ahead]]))
            asked = ahead
            block = slice(start, start + SCAN_ROWS)
            yield permuted(hashes[block], self._tables.layout.backward), rows[block].copy()

    def verify(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Reads all of it and compares the digests; `progress` is told how many of how many bytes. Raises TornIndex, OSError."""
        self._header.verify(self._path, progress)

    def close(self) -> None:
        """Lets go of the files; the segment can no longer be used."""
        del self._tables


def _refuse_large(radius: int) -> None:
    if not 0 <= radius <= MAX_RADIUS:
        raise RadiusTooLarge(f"A radius of {radius} bits cannot be searched; 0 to {MAX_RADIUS} can.")
