"""Builds a segment in bounded memory: rows are dealt out to spill files by the top bits of a table's chunk, then each file is sorted.

Tables are made one after the other, the second and third from the finished first. The files are a function of the set of pairs alone:
neither their order, nor `memory`, nor a crash half-way leaves a trace.

Crash order: spill files are durable before `building.json` says that a table is spilled, tables before it says that partitions are merged,
and everything before `segment.json` appears. What lies beyond those words is cut off and made again.
"""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from demur.similarity.tables.errors import IndexTooLarge, WrongRows, disk_may_be_full
from demur.similarity.tables.header import HASHES, HEADER, Header
from demur.similarity.tables.layout import TABLES, U64, Layout
from demur.similarity.tables.search import U32, permuted
from demur.similarity.tables.spill import Spill
from demur.similarity.tables.state import STATE, State
from demur.similarity.tables.writing import Writer

Pairs = Iterator[tuple[U64, U32]]
MOST_ROWS = (1 << 32) - 1
ROW_BYTES = 64
"""Memory that a row takes at most while it is dealt out or sorted."""
PARTITION_ROWS, MOST_PARTITIONS = 1 << 20, 1 << 12
"""So many rows sort well in the processor's cache; so many files are still dealt out to in large pieces."""
SAVES = 16
"""How often within a table progress is made durable: each time waits for the disk."""
SORTERS = 2


def build(
    path: Path, batches: Callable[[], Pairs], rows: int, *, progress: Callable[[int, int], None] | None = None, memory: int = 1 << 30
) -> None:
    """See Segment.build."""
    if rows > MOST_ROWS:
        raise IndexTooLarge(f"{rows:,} rows are more than one segment can hold: {MOST_ROWS:,}. Split them over several.")
    with disk_may_be_full(path):
        if (path / HEADER).exists():
            shutil.rmtree(path)  # finished, so a reader may have its files mapped: they must not change under it
        path.mkdir(parents=True, exist_ok=True)
        building = _Building(path, rows, memory, progress or (lambda done, total: None))
        building.run(batches)


class _Building:
    def __init__(self, path: Path, rows: int, memory: int, progress: Callable[[int, int], None]) -> None:
        self._path, self._rows, self._progress = path, rows, progress
        self._block_rows = max(1, memory // ROW_BYTES)
        self._layout = Layout.fit(rows)
        self._state = State.resumed(path, rows, _partition_bits(rows, self._block_rows))
        self._spill = Spill(path, self._state.bits)
        self._resumable = self._state.bits > 0
        """One partition is made again sooner than the disk can be waited for."""

    def run(self, batches: Callable[[], Pairs]) -> None:
        with Writer(self._path, self._layout, self._rows, self._state.entries) as writer, ThreadPoolExecutor(SORTERS) as sorters:
            while self._state.table < TABLES:
                if self._state.sizes is None:
                    self._deal_out(self._given(batches()) if self._state.table == 0 else self._first_table())
                self._merge(self._state.sizes or (), writer, sorters)
            digests = writer.finish()
        Header(self._rows, self._layout, digests).write(self._path)
        self._spill.remove()
        for leftover in (self._path / STATE, *self._path.glob(".*.part")):
            leftover.unlink(missing_ok=True)

    def _given(self, batches: Pairs) -> Pairs:
        """The pairs with permuted hashes, in blocks that are worth dealing out."""
        held, size = [_nothing()], 0
        for batch in batches:
            held.append(batch)
            size += len(batch[0])
            if size >= self._block_rows:
                yield self._permuted(held)
                held, size = [_nothing()], 0
        yield self._permuted(held)

    def _permuted(self, held: list[tuple[U64, U32]]) -> tuple[U64, U32]:
        hashes, rows = (np.concatenate(parts) for parts in zip(*held, strict=True))
        return permuted(hashes, self._layout.forward), rows

    def _first_table(self) -> Pairs:
        with (self._path / HASHES).open("rb") as file:
            for start in range(0, self._rows, self._block_rows):
                hashes = np.fromfile(file, dtype="<u8", count=min(self._block_rows, self._rows - start))
                yield hashes, _nothing()[1]

    def _deal_out(self, blocks: Pairs) -> None:
        """Spills the table's rows. Raises WrongRows."""
        self._spill.empty()
        sizes = np.zeros(1 << self._state.bits, dtype=np.int64)
        for hashes, rows in blocks:
            sizes += self._spill.deal(hashes, rows, self._layout.offsets[self._state.table])
            self._report(2 * self._state.table, int(sizes.sum()))
        if sizes.sum() != self._rows:
            raise WrongRows(f"The index was announced with {self._rows:,} rows, and {sizes.sum():,} were given. Build it again.")
        if self._resumable:
            self._spill.sync()
        self._save(self._state.spilled(sizes.tolist()))

    def _merge(self, sizes: tuple[int, ...], writer: Writer, sorters: ThreadPoolExecutor) -> None:
        """Sorts the spilled partitions that are not yet merged, a few at a time, and appends them in order."""
        table, first = self._state.table, self._state.merged
        waiting = [partition for partition in range(first, len(sizes)) if sizes[partition]]
        running = [sorters.submit(self._spill.sorted, partition) for partition in waiting[:SORTERS]]
        unsaved = 0
        for number, partition in enumerate(waiting):
            hashes, rows = running.pop(0).result()
            running += [sorters.submit(self._spill.sorted, ahead) for ahead in waiting[number + SORTERS : number + SORTERS + 1]]
            writer.append(table, hashes, rows)
            unsaved += len(hashes)
            if self._resumable and unsaved * SAVES > self._rows:
                writer.flush(durable=True)
                self._save(self._state.up_to(partition + 1))
                unsaved = 0
            self._report(2 * table + 1, sum(sizes[: partition + 1]))
        writer.flush(durable=self._resumable)
        self._save(self._state.next_table())

    def _save(self, state: State) -> None:
        """Records what is durable, and then gives back what it took to get there."""
        if self._resumable:
            state.write(self._path)
        for partition in range(self._state.merged, state.merged):
            self._spill.drop(partition)
        self._state = state

    def _report(self, step: int, done: int) -> None:
        self._progress(step * self._rows + done, 2 * TABLES * self._rows)


def _partition_bits(rows: int, block_rows: int) -> int:
    """Partitions fit into the cache, and several of them into the memory also where they are several times as large as the average."""
    partition_rows = max(1, min(PARTITION_ROWS, block_rows // 16))
    return max(0, min(MOST_PARTITIONS, -(-rows // partition_rows)) - 1).bit_length()


def _nothing() -> tuple[U64, U32]:
    return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint32)
