"""Rows on their way to a table: dealt out to one file per partition by the top bits of the table's chunk, then sorted one by one."""

import shutil
from pathlib import Path

import numpy as np

from demur.files import sync
from demur.similarity.tables.layout import I64, U64
from demur.similarity.tables.search import U32
from demur.similarity.tables.sorting import dealt, settle

DIRECTORY = "spill"


class Spill:
    """`1 << bits` partitions in a directory of their own beside the tables. Any method raises OSError."""

    def __init__(self, directory: Path, bits: int) -> None:
        self._directory, self._bits = directory / DIRECTORY, bits

    def empty(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir()

    def deal(self, hashes: U64, rows: U32, turn: int) -> I64:
        """Appends hashes, rotated left by `turn`, and their rows, if any are given; how many went to each partition."""
        hashes, rows, ends = dealt(hashes, rows, np.uint64(turn), self._bits)
        sizes = np.diff(ends)
        for partition in map(int, np.flatnonzero(sizes)):
            part = slice(ends[partition], ends[partition + 1])
            _append(self._hashes(partition), hashes[part])
            if len(rows):
                _append(self._rows(partition), rows[part])
        return sizes

    def sync(self) -> None:
        for file in self._directory.iterdir():
            sync(file)
        sync(self._directory)

    def sorted(self, partition: int) -> tuple[U64, U32]:
        """The hashes of a partition in ascending order, and their rows, ascending where hashes are equal; no rows if none were given."""
        hashes = np.fromfile(self._hashes(partition), dtype="<u8")
        if not self._rows(partition).exists():
            hashes.sort()
            return hashes, np.empty(0, dtype=np.uint32)
        order = np.argsort(hashes)
        hashes, rows = hashes[order], np.fromfile(self._rows(partition), dtype="<u4")[order]
        settle(hashes, rows)
        return hashes, rows

    def drop(self, partition: int) -> None:
        self._hashes(partition).unlink(missing_ok=True)
        self._rows(partition).unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def _hashes(self, partition: int) -> Path:
        return self._directory / f"hashes-{partition}"

    def _rows(self, partition: int) -> Path:
        return self._directory / f"rows-{partition}"


def _append(path: Path, values: U64 | U32) -> None:
    with path.open("ab") as file:
        file.write(values.data)
