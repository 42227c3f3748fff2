"""Filters a Parquet file by batches: bounded memory, same schema, same compression."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from demur.exclusions.reader import ExclusionList
from demur.filtering.keys import NO_NAMES, Names, key_columns, keyed_table
from demur.filtering.report import FilterReport, Progress, UnreadableManifest

_READ_ROWS = 1 << 16
_GROUP_ROWS = 1 << 17


def filter_parquet(
    source: Path, target: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress, given: Names = NO_NAMES
) -> None:
    """`given`: see key_columns. Raises UnreadableManifest, NoKeyColumn, BadKeyColumn, OSError."""
    try:
        with pq.ParquetFile(source, memory_map=True) as file:
            columns = key_columns(file.schema_arrow.names, str(source), given)
            with pq.ParquetWriter(target, file.schema_arrow, compression=_compression(file.metadata)) as writer:
                for group in _groups(_kept(file, columns, exclusions, report, progress)):
                    writer.write_table(group)
    except pa.ArrowException as error:
        raise UnreadableManifest(f"{source} cannot be read as Parquet: {error}") from error


def _kept(
    file: pq.ParquetFile, columns: dict[str, str], exclusions: ExclusionList, report: FilterReport, progress: Progress
) -> Iterator[pa.Table]:
    done, total = 0, file.metadata.num_rows
    for batch in file.iter_batches(_READ_ROWS):
        mask = report.add(exclusions.judge(keyed_table({ours: batch.column(theirs) for ours, theirs in columns.items()})))
        yield pa.Table.from_batches([batch.filter(mask)])
        done += len(batch)
        progress(done, total)


def _groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Joins small tables into row groups of about `_GROUP_ROWS`."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(len(part) for part in waiting) >= _GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _compression(metadata: pq.FileMetaData) -> str:
    if metadata.num_row_groups == 0 or metadata.num_columns == 0:
        return "snappy"
    codec: str = metadata.row_group(0).column(0).compression
    return {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4"}.get(codec, codec.lower())
