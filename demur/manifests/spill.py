"""Sorts more rows than memory holds: sorted runs on disk, then one range of keys at a time out of all runs.

Keys are (owner, uid), compared by their UTF-8 bytes. While runs are written a sample of their keys is kept; afterwards it says where
to cut the key space into ranges of about equal size. A range is read by mapping the spill file, and unmapped again before the next,
so that the resident memory is that of one range.
"""

import bisect
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

SORT_KEYS = [("owner", "ascending"), ("uid", "ascending")]
RUN_ROWS = 262_144
RUN_BYTES = 1 << 28
SAMPLE_STEP = 1024
RANGE_ROWS = 131_072
RANGE_BYTES = 1 << 26

Key = tuple[str, str]


class Spill:
    """A spill file in the making: `add` batches, `finish`, then read `ranges`."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._file, schema)
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0
        self._sample: list[Key] = []
        self.taken = self.rows = self.bytes = self.runs = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes rows in any order. Raises OSError."""
        self._pending.append(batch)
        self.taken += batch.num_rows
        self._pending_rows += batch.num_rows
        self._pending_bytes += batch.nbytes
        if self._pending_rows >= RUN_ROWS or self._pending_bytes >= RUN_BYTES:
            self._write_run()

    def _write_run(self) -> None:
        run = sort(self._pending)
        self._writer.write_batch(run)
        self._sample.extend(_key(run, place) for place in range(SAMPLE_STEP // 2, run.num_rows, SAMPLE_STEP))
        self.rows += self._pending_rows
        self.bytes += self._pending_bytes
        self.runs += 1
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def finish(self) -> None:
        """Writes what is pending. Nothing can be added afterwards."""
        if self._pending_rows:
            self._write_run()
        self._writer.close()
        self._file.close()

    def close(self) -> None:
        """Lets go of the file, finished or not."""
        self._file.close()

    def run_columns(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of every run; only their pages are read."""
        for number in range(self.runs):
            with pa.memory_map(str(self._path)) as mapped:
                yield pa.ipc.open_file(mapped).get_batch(number).select(names)

    def ranges(self) -> Iterator[pa.RecordBatch]:
        """All rows in order of their keys, as sorted batches of about RANGE_ROWS rows."""
        splitters = self._splitters()
        starts = [0] * self.runs
        for number in range(len(splitters) + 1):
            pieces, starts = self._pieces(splitters[number] if number < len(splitters) else None, starts)
            if pieces:
                yield sort(pieces)

    def _pieces(self, splitter: Key | None, starts: list[int]) -> tuple[list[pa.RecordBatch], list[int]]:
        """The rows of every run from `starts` to the first that is not below `splitter`; and where those are."""
        with pa.memory_map(str(self._path)) as mapped:
            reader = pa.ipc.open_file(mapped)
            runs = [reader.get_batch(number) for number in range(self.runs)]
            ends = [_end(run, splitter, start) for run, start in zip(runs, starts, strict=True)]
            slices = zip(runs, starts, ends, strict=True)
            pieces = [run.slice(start, end - start) for run, start, end in slices if end > start]
        return pieces, ends

    def _splitters(self) -> list[Key]:
        wanted = max(-(-self.rows // RANGE_ROWS), -(-self.bytes // RANGE_BYTES))
        sample = sorted(self._sample)
        return sorted({sample[len(sample) * cut // wanted] for cut in range(1, wanted)}) if sample else []


def sort(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """One batch with all rows, by (owner, uid)."""
    batch = pa.concat_batches(batches)
    return batch.take(pc.sort_indices(batch, sort_keys=SORT_KEYS))


def _key(batch: pa.RecordBatch, place: int) -> Key:
    return batch["owner"][place].as_py(), batch["uid"][place].as_py()


def _end(run: pa.RecordBatch, splitter: Key | None, start: int) -> int:
    """The first place from `start` on whose key is not below `splitter` (None: above every key)."""
    if splitter is None:
        return run.num_rows
    return bisect.bisect_left(range(run.num_rows), splitter, lo=start, key=lambda place: _key(run, place))
