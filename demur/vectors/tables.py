"""The two files of a manifest's vectors: one bitmap of row numbers for each shard, as Parquet (docs/formats/deletion-vector.md)."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyroaring import FrozenBitMap

from demur.exclusions.trusted import ListRefused
from demur.vectors.bitmaps import decoded

SHARDS_SCHEMA = pa.schema(
    [
        pa.field("shard", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("places", pa.binary(), nullable=False),
    ]
)
"""Every shard of the manifest: how many of its rows are registered, and where they stand in it."""
DELETIONS_SCHEMA = pa.schema(
    [
        pa.field("shard", pa.string(), nullable=False),
        pa.field("deleted", pa.int64(), nullable=False),
        pa.field("places", pa.binary(), nullable=False),
    ]
)
"""The shards of which any row is excluded: of how many places, and which."""
GROUP_SHARDS, GROUP_BYTES = 4096, 1 << 22
"""What is read at once to know one shard's bitmap, at most; a larger bitmap is a group of its own."""


class BadVectors(ListRefused):
    """A file of the vectors has not the form that docs/formats/deletion-vector.md demands."""


class UnknownShard(ListRefused):
    """The vectors do not know this shard, so nothing can be said of its rows."""


@dataclass(frozen=True)
class Line:
    """One line of either file: `number` is its second column, `places` the bitmap's bytes."""

    shard: str
    number: int
    places: bytes


class Table:
    """Either file, verified as to its form but for the bitmaps, which are read when they are asked for."""

    def __init__(self, data: bytes | memoryview | Path, schema: pa.Schema) -> None:
        """Raises BadVectors, OSError."""
        try:
            # Without threads: see demur.exclusions.entries.
            self._file = pq.ParquetFile(pa.memory_map(str(data)) if isinstance(data, Path) else pa.BufferReader(data))
            if self._file.schema_arrow.remove_metadata() != schema:
                raise BadVectors(f"the columns are not {', '.join(schema.names)}")
            named = self._file.read(schema.names[:2], use_threads=False)
            self._starts = _starts(self._file.metadata)
        except pa.ArrowException as error:
            raise BadVectors(f"a file of the vectors is unreadable: {error}") from error
        self.shards: tuple[str, ...] = tuple(named.column(0).to_pylist())
        self._numbers = named.column(1).to_numpy()
        self._lines = {shard: line for line, shard in enumerate(self.shards)}
        if any(first >= second for first, second in pairwise(self.shards)):
            raise BadVectors("the shards are not in order, each once")
        self._group = lru_cache(1)(self._read_group)

    @property
    def total(self) -> int:
        """The sum of the second column."""
        return int(self._numbers.sum())

    def __contains__(self, shard: str) -> bool:
        return shard in self._lines

    def number(self, shard: str) -> int:
        """The shard's second column. Raises UnknownShard."""
        return int(self._numbers[self._line(shard)])

    def places(self, shard: str) -> FrozenBitMap:
        """The shard's bitmap. Raises UnknownShard, BadBitmap, BadVectors."""
        line = self._line(shard)
        group = bisect_right(self._starts, line) - 1
        return decoded(self._group(group)[line - self._starts[group]].as_py())

    def lines(self) -> Iterator[Line]:
        """All lines in order, their bitmaps as bytes. Raises BadVectors."""
        for group, start in enumerate(self._starts):
            for place, value in enumerate(self._read_group(group)):
                yield Line(self.shards[start + place], int(self._numbers[start + place]), value.as_py())

    def _line(self, shard: str) -> int:
        try:
            return self._lines[shard]
        except KeyError as error:
            raise UnknownShard(f"the manifest has no shard {shard!r}, so nothing can be said of its rows") from error

    def _read_group(self, group: int) -> pa.ChunkedArray:
        try:
            return self._file.read_row_group(group, ["places"], use_threads=False).column(0)
        except (pa.ArrowException, OSError) as error:
            raise BadVectors(f"a file of the vectors is unreadable: {error}") from error


def write_table(path: Path, schema: pa.Schema, lines: Iterable[Line]) -> int:
    """Writes lines, which come in order, and returns the sum of their numbers. Holds a row group in memory. Raises OSError."""
    total = 0
    with pq.ParquetWriter(path, schema, compression="zstd", write_statistics=False) as writer:
        for group in _grouped(lines):
            columns = zip(*((line.shard, line.number, line.places) for line in group), strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            total += sum(line.number for line in group)
    return total


def _grouped(lines: Iterable[Line]) -> Iterator[list[Line]]:
    group: list[Line] = []
    held = 0
    for line in lines:
        if group and (len(group) == GROUP_SHARDS or held + len(line.places) > GROUP_BYTES):
            yield group
            group, held = [], 0
        group.append(line)
        held += len(line.places)
    if group:
        yield group


def _starts(metadata: pq.FileMetaData) -> list[int]:
    starts = [0]
    for group in range(metadata.num_row_groups):
        starts.append(starts[-1] + metadata.row_group(group).num_rows)
    return starts[:-1]
