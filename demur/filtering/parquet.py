"""Filters a Parquet file by batches, in bounded memory: same schema, and every column encoded and compressed as it was (docs/adr/0010)."""

import io
import os
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from demur.exclusions.matching import Judgement
from demur.exclusions.reader import ExclusionList
from demur.filtering.keys import NO_NAMES, ComparedColumns, Names, key_columns
from demur.filtering.report import FilterReport, Progress, UnreadableManifest

_BATCH_ROWS, _BATCH_BYTES = 1 << 14, 1 << 24
_GROUP_BYTES = 1 << 24  # row groups are not much larger than that, and have no more rows than the largest of the source
_BUFFER_BYTES = 1 << 20  # what is read of a column at a time
_SAMPLE_ROWS = 1 << 12
_FEW = 1 / 256  # where fewer rows of a batch are dropped, what lies between them is handed on without being copied
_SPARED = 0.9  # a dictionary that leaves more than this share of a column's bytes costs time and is of no use

NO_SCHEMA = pa.schema([])

T = TypeVar("T")


def filter_parquet(
    source: Path, target: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress, given: Names = NO_NAMES
) -> None:
    """`given`: see key_columns. Raises UnreadableManifest, NoKeyColumn, BadKeyColumn, OSError."""
    with opened(source) as file:
        columns = compared_columns(file.schema_arrow, source, exclusions, given)
        report.count(judged_none(columns, exclusions, file.schema_arrow))
        most = max((file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)), default=0)
        with (
            pq.ParquetWriter(target, file.schema_arrow, **_as_written(file)) as writer,
            closing(_ahead(_groups(_kept(file, columns, exclusions, report), most))) as groups,
        ):
            for group in groups:
                writer.write_table(group, row_group_size=most)
                progress(report.rows, file.metadata.num_rows)


@contextmanager
def opened(source: Path, metadata: pq.FileMetaData | None = None) -> Iterator[pq.ParquetFile]:
    """A Parquet file to be read from front to back. Raises UnreadableManifest, also when it turns out damaged later on; OSError.

    `metadata`: that of the file, if it was read before.
    """
    try:
        # Not pre-buffered: everything read would be held until the end. Not mapped: a file cut short meanwhile would end the process.
        with pq.ParquetFile(
            source, metadata=metadata, pre_buffer=False, buffer_size=_BUFFER_BYTES, page_checksum_verification=True
        ) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnreadableManifest(f"{source} cannot be read as Parquet: {error}") from error


def compared_columns(schema: pa.Schema, source: Path, exclusions: ExclusionList, given: Names = NO_NAMES) -> ComparedColumns:
    """The columns that entries of the list are compared with. Raises NoKeyColumn, BadKeyColumn."""
    return ComparedColumns.of(key_columns(schema.names, str(source), given), exclusions.head.counts, str(source))


def judged(rows: pa.RecordBatch, columns: ComparedColumns, exclusions: ExclusionList) -> Judgement:
    """`columns`: see compared_columns."""
    return exclusions.judge(columns.rows(len(rows), rows.column))


def judged_none(columns: ComparedColumns, exclusions: ExclusionList, schema: pa.Schema = NO_SCHEMA) -> Judgement:
    """What is said of no rows at all: which kinds of entries cannot be applied, also if the file turns out to have no rows.

    With the schema of the columns, all that it takes to judge rows is there afterwards.
    """
    return exclusions.judge(columns.rows(0, lambda name: pa.nulls(0, schema.field(name).type if name in schema.names else pa.null())))


def batch_rows(metadata: pq.FileMetaData) -> int:
    """How many rows to read at a time, so that memory is bounded whatever a row holds."""
    largest = max((_row_bytes(metadata.row_group(group)) for group in range(metadata.num_row_groups)), default=1)
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // largest))


def _row_bytes(group: pq.RowGroupMetaData) -> int:
    return max(1, group.total_byte_size // max(1, group.num_rows))


def _kept(file: pq.ParquetFile, columns: ComparedColumns, exclusions: ExclusionList, report: FilterReport) -> Iterator[pa.Table]:
    for batch in file.iter_batches(batch_rows(file.metadata), use_threads=False):
        keep = report.add(judged(batch, columns, exclusions))
        yield pa.Table.from_batches(_without_dropped(batch, keep), batch.schema)


def _without_dropped(batch: pa.RecordBatch, keep: pa.BooleanArray) -> list[pa.RecordBatch]:
    dropped = np.flatnonzero(~keep.to_numpy(zero_copy_only=False))
    if len(dropped) > _FEW * len(batch):
        with suppress(pa.ArrowNotImplementedError):  # pyarrow 26 cannot filter text views, also inside of lists
            return [batch.filter(keep)]
    edges = [-1, *dropped.tolist(), len(batch)]
    return [batch.slice(before + 1, after - before - 1) for before, after in pairwise(edges) if after - before > 1]


def _ahead(items: Iterator[T]) -> Generator[T]:
    """Makes the next item while the one before is used: one is decoded while another is encoded. On one core, that would be in the way."""
    if len(os.sched_getaffinity(0)) == 1:
        yield from items
        return
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _groups(tables: Iterator[pa.Table], most: int) -> Iterator[pa.Table]:
    """Joins tables until they have `most` rows or `_GROUP_BYTES`."""
    waiting: list[pa.Table] = []
    rows = size = 0
    for table in tables:
        waiting.append(table)
        rows, size = rows + len(table), size + table.nbytes
        if rows >= most or size >= _GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting, rows, size = [], 0, 0
    if rows:
        yield pa.concat_tables(waiting)


def _as_written(file: pq.ParquetFile) -> dict[str, Any]:
    """Options for a writer that encodes and compresses every column as the first row group of the source does."""
    if file.num_row_groups == 0:
        return {}
    group, sizes = file.metadata.row_group(0), _plain_sizes(file)
    chunks = dict(zip(_leaves(file.schema_arrow), (group.column(leaf) for leaf in range(group.num_columns)), strict=True))
    return {
        "compression": {leaf: chunk.compression.replace("UNCOMPRESSED", "NONE") for leaf, chunk in chunks.items()},
        "use_dictionary": [leaf for leaf, chunk in chunks.items() if _has_useful_dictionary(chunk, sizes.get(leaf))],
        "write_page_index": any(chunk.has_offset_index for chunk in chunks.values()),
    }


def _leaves(schema: pa.Schema) -> list[str]:
    """The paths under which a writer knows the columns: those of lists are spelled otherwise than older programs spelled them."""
    sink = io.BytesIO()
    pq.write_table(schema.empty_table(), sink)
    written = pq.ParquetFile(sink).schema
    return [written.column(leaf).path for leaf in range(len(written.names))]


def _plain_sizes(file: pq.ParquetFile) -> dict[str, float]:
    """Bytes that a value takes without a dictionary, as a sample of the columns has it."""
    sample = next(file.iter_batches(_SAMPLE_ROWS, row_groups=[0], use_threads=False), None)
    if not sample:
        return {}
    return {name: column.nbytes / len(sample) for name, column in zip(sample.schema.names, sample.columns, strict=True)}


def _has_useful_dictionary(chunk: pq.ColumnChunkMetaData, plain_size: float | None) -> bool:
    """`plain_size` is None for what lies inside of lists and structs; there the source is believed."""
    if plain_size is None or not chunk.has_dictionary_page:
        return bool(chunk.has_dictionary_page)
    return bool(chunk.total_uncompressed_size < _SPARED * plain_size * chunk.num_values)
