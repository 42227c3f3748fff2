"""Sorts more rows than memory holds: sorted runs on disk, then one range of keys at a time out of all runs.

Keys are (owner, uid), compared by their UTF-8 bytes. While runs are written a sample of their keys is kept; afterwards it says where
to cut the key space into ranges of about equal size. Every run is then read once, a piece at a time. (Mapping the file would be
shorter, but Linux maps large folios whole: the resident memory was a third of the file.)
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
PIECE_ROWS = 4096
"""What is read of a run at once. The first key of every piece is in the sample."""
RANGE_ROWS = 196_608
RANGE_BYTES = 1 << 26

Key = tuple[str, str]


class Spill:
    """A spill file in the making: `add` batches, `finish`, then read `ranges`."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._file, schema)
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0
        self._sample: list[Key] = []
        self._runs: list[range] = []
        self.rows = self.bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes rows in any order. Raises OSError."""
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        self._pending_bytes += batch.nbytes
        self.rows += batch.num_rows
        self.bytes += batch.nbytes
        if self._pending_rows >= RUN_ROWS or self._pending_bytes >= RUN_BYTES:
            self._write_run()

    def _write_run(self) -> None:
        run = sort(self._pending)
        for start in range(0, run.num_rows, PIECE_ROWS):
            self._writer.write_batch(run.slice(start, PIECE_ROWS))
            self._sample.append(_key(run, start))
        first = self._runs[-1].stop if self._runs else 0
        self._runs.append(range(first, first + -(-run.num_rows // PIECE_ROWS)))
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def finish(self) -> None:
        """Writes what is pending. Nothing can be added afterwards. Raises OSError."""
        if self._pending_rows:
            self._write_run()
        self._writer.close()
        self._file.close()

    def close(self) -> None:
        """Lets go of the file, finished or not."""
        self._file.close()

    def columns(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows, in no particular order; the others are not read."""
        options = pa.ipc.IpcReadOptions(included_fields=[self._schema.get_field_index(name) for name in names])
        with pa.OSFile(str(self._path)) as file:
            reader = pa.ipc.open_file(file, options=options)
            yield from (reader.get_batch(number) for number in range(reader.num_record_batches))

    def ranges(self) -> Iterator[pa.RecordBatch]:
        """All rows in order of their keys, as sorted batches of about RANGE_ROWS rows."""
        with pa.OSFile(str(self._path)) as file:
            reader = pa.ipc.open_file(file)
            runs = [_Run(reader, pieces) for pieces in self._runs]
            for splitter in [*self._splitters(), None]:
                slices = [piece for run in runs for piece in run.below(splitter)]
                if slices:
                    yield sort(slices)

    def _splitters(self) -> list[Key]:
        wanted = max(-(-self.rows // RANGE_ROWS), -(-self.bytes // RANGE_BYTES))
        sample = sorted(self._sample)
        return sorted({sample[len(sample) * cut // wanted] for cut in range(1, wanted)}) if sample else []


class _Run:
    """A sorted run on its way through memory: one piece of it, read when the piece before is used up."""

    def __init__(self, reader: pa.ipc.RecordBatchFileReader, pieces: range) -> None:
        self._pieces = (reader.get_batch(number) for number in pieces)
        self._rest: pa.RecordBatch | None = next(self._pieces)

    def below(self, splitter: Key | None) -> Iterator[pa.RecordBatch]:
        """The rows that were not given yet and whose key is below `splitter` (None: above every key)."""
        while self._rest is not None:
            end = _first_not_below(self._rest, splitter)
            if end > 0:
                yield self._rest.slice(0, end)
            if end < self._rest.num_rows:
                self._rest = self._rest.slice(end)
                return
            self._rest = next(self._pieces, None)


def sort(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """One batch with all rows, by (owner, uid)."""
    batch = pa.concat_batches(batches)
    return batch.take(pc.sort_indices(batch, sort_keys=SORT_KEYS))


def _key(batch: pa.RecordBatch, place: int) -> Key:
    return batch["owner"][place].as_py(), batch["uid"][place].as_py()


def _first_not_below(batch: pa.RecordBatch, splitter: Key | None) -> int:
    if splitter is None or _key(batch, batch.num_rows - 1) < splitter:
        return batch.num_rows
    return bisect.bisect_left(range(batch.num_rows), splitter, key=lambda place: _key(batch, place))
