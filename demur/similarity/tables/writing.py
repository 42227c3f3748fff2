"""The files of a segment while they grow: what is appended is digested, and counted into the directories, on its way."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from demur.similarity.tables.header import BLOCK, HASHES, ROWS, STARTS, digest_of_blocks
from demur.similarity.tables.layout import TABLES, U64, Layout
from demur.similarity.tables.search import U32
from demur.similarity.tables.sorting import count

READ = 1 << 20


class DigestedFile:
    """A file that begins with `kept` bytes of an earlier attempt; whatever it had after them is cut off. Raises OSError."""

    def __init__(self, path: Path, kept: int = 0) -> None:
        path.touch()
        self._file = path.open("r+b")
        self._file.truncate(kept)
        self._block, self._left, self._blocks = hashlib.sha256(), BLOCK, list[bytes]()

    def reread(self, size: int) -> Iterator[bytes]:
        """The next bytes that were kept."""
        for start in range(0, size, READ):
            block = self._file.read(min(READ, size - start))
            self._digest(memoryview(block))
            yield block

    def append(self, values: U64 | U32) -> None:
        content = values.view(np.uint8).data
        self._file.write(content)
        self._digest(content)

    def _digest(self, content: memoryview) -> None:
        while content:
            part, content = content[: self._left], content[self._left :]
            self._block.update(part)
            self._left -= len(part)
            if self._left == 0:
                self._blocks.append(self._block.digest())
                self._block, self._left = hashlib.sha256(), BLOCK

    @property
    def digest(self) -> str:
        """See `Header.sha256`."""
        last = [self._block.digest()] if self._left < BLOCK else []
        return digest_of_blocks(self._blocks + last)

    def flush(self, *, durable: bool) -> None:
        """Lets others read what was appended, and makes it durable."""
        self._file.flush()
        if durable:
            os.fsync(self._file.fileno())

    def __enter__(self) -> "DigestedFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()


class Writer:
    """Appends sorted entries to the tables, one table after the other. The first `entries` are there from an earlier attempt."""

    def __init__(self, directory: Path, layout: Layout, rows: int, entries: int) -> None:
        self._directory, self._layout = directory, layout
        self._starts = np.zeros(layout.firsts[-1], dtype=np.uint32)
        with ExitStack() as opened:
            self._hashes = opened.enter_context(DigestedFile(directory / HASHES, 8 * entries))
            self._rows = opened.enter_context(DigestedFile(directory / ROWS, 4 * min(entries, rows)))
            self._recount(rows, entries)
            self._opened = opened.pop_all()

    def _recount(self, rows: int, entries: int) -> None:
        for table in range(TABLES):
            for block in self._hashes.reread(8 * min(max(entries - table * rows, 0), rows)):
                self._count(table, np.frombuffer(block, dtype="<u8"))
        for _ in self._rows.reread(4 * min(entries, rows)):
            pass

    def append(self, table: int, hashes: U64, rows: U32) -> None:
        """The next entries of a table, in ascending order, and with those of table 0 their rows. Raises OSError."""
        self._count(table, hashes)
        self._hashes.append(hashes)
        self._rows.append(rows)

    def _count(self, table: int, hashes: U64) -> None:
        first, last = self._layout.firsts[table : table + 2]
        count(self._starts[first:last], hashes, np.uint64(64 - self._layout.widths[table]))

    def flush(self, *, durable: bool) -> None:
        """Lets others read what was appended, and makes it durable. Raises OSError."""
        self._hashes.flush(durable=durable)
        self._rows.flush(durable=durable)

    def finish(self) -> dict[str, str]:
        """Writes the directories, makes everything durable and returns the files' digests. Raises OSError."""
        for table in range(TABLES):
            directory = self._starts[self._layout.firsts[table] : self._layout.firsts[table + 1]]
            np.cumsum(directory, out=directory)
        with DigestedFile(self._directory / STARTS) as starts:
            starts.append(self._starts)
            starts.flush(durable=True)
        self.flush(durable=True)
        return {HASHES: self._hashes.digest, ROWS: self._rows.digest, STARTS: starts.digest}

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._opened.close()
