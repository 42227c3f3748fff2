"""CSV and JSONL manifests, plain or gzipped: one file or a directory of shards."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.csv

from demur.manifests.errors import TruncatedSource
from demur.manifests.pictures import suffix
from demur.manifests.rejections import Reason, Rejections
from demur.manifests.schema import match_columns
from demur.manifests.sources.records import RECORD_ROWS, record_batch
from demur.manifests.sources.source import Source, located

BLOCK_BYTES = 1 << 23


def text_source(root: Path, files: list[Path]) -> Source:
    """Reads nothing yet."""

    def batches(rejected: Rejections) -> Iterator[pa.RecordBatch]:
        for file in files:
            shard = file.relative_to(root).as_posix()
            yield from (_csv_batches if suffix(shard) == ".csv" else _jsonl_batches)(file, shard, rejected)

    return Source("csv" if suffix(files[0].name) == ".csv" else "jsonl", root, None, batches)


def _opened(file: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(file)) if file.suffix == ".gz" else file.open("rb")


class _Watched(io.RawIOBase):
    """A CSV file's bytes on their way to the parser, which itself takes NUL and an open quote at the end for text."""

    def __init__(self, file: Path, opened: IO[bytes]) -> None:
        self._file, self._opened = file, opened
        self.ends_with_newline = True
        self.inside_quotes = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._opened.read(size)
        if b"\0" in block:
            raise TruncatedSource(f"{self._file} is damaged: it has NUL bytes, which no CSV file has.")
        if block:
            self.ends_with_newline = block.endswith(b"\n")
            self.inside_quotes ^= block.count(b'"') % 2 == 1
        return block


def _csv_batches(file: Path, shard: str, rejected: Rejections) -> Iterator[pa.RecordBatch]:
    skipped: list[pyarrow.csv.InvalidRow] = []
    read = 0
    try:
        columns = match_columns(_csv_header(file), shard)
        with _opened(file) as opened:
            watched = _Watched(file, opened)
            for batch in _csv_reader(watched, sorted(set(columns.values())), skipped):
                ours = {name: batch.column(theirs) for name, theirs in columns.items()}
                yield located(ours, shard, read, batch.num_rows)
                read += batch.num_rows
    except (pa.ArrowInvalid, OSError, EOFError, zlib.error) as error:
        raise TruncatedSource(f"{file} is cut short or damaged after row {read}.") from error
    last_is_short = bool(skipped) and skipped[-1].number == read + len(skipped) + 1
    if not watched.ends_with_newline and (last_is_short or watched.inside_quotes):
        raise TruncatedSource(f"{file} is cut short: its last row ends in mid line.")
    for row in skipped:
        rejected.add(
            Reason.MALFORMED_ROW,
            [f"{shard}, row {row.number - 1}: {row.actual_columns} fields instead of {row.expected_columns}: {row.text[:80]!r}"],
        )


def _csv_header(file: Path) -> list[str]:
    with _opened(file) as opened, io.TextIOWrapper(opened, encoding="utf-8-sig", errors="replace", newline="") as text:
        return next(csv.reader(text), [])


def _csv_reader(watched: _Watched, columns: list[str], skipped: list[pyarrow.csv.InvalidRow]) -> pyarrow.csv.CSVStreamingReader:
    """All columns as bytes, so that a value of the wrong type or encoding costs its row and not the file."""

    def skip(row: pyarrow.csv.InvalidRow) -> str:
        skipped.append(row)
        return "skip"

    return pyarrow.csv.open_csv(
        watched,
        read_options=pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.binary() for name in columns},
            include_columns=columns,
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _jsonl_batches(file: Path, shard: str, rejected: Rejections) -> Iterator[pa.RecordBatch]:
    records: list[dict[str, object]] = []
    places: list[int] = []
    for place, record in _json_records(file, shard, rejected):
        records.append(record)
        places.append(place)
        if len(records) == RECORD_ROWS:
            yield record_batch(records, places, shard, rejected)
            records, places = [], []
    if records:
        yield record_batch(records, places, shard, rejected)


def _json_records(file: Path, shard: str, rejected: Rejections) -> Iterator[tuple[int, dict[str, object]]]:
    """Each object with its 0-based line. Raises TruncatedSource when the last line is cut."""
    try:
        with _opened(file) as opened:
            for place, line in enumerate(opened):
                if not line.strip():
                    continue
                record = _json_object(line)
                if record is not None:
                    yield place, record
                elif line.endswith(b"\n"):
                    rejected.add(Reason.MALFORMED_ROW, [f"{shard}, row {place + 1}: not a JSON object: {line[:80]!r}"])
                else:
                    raise TruncatedSource(f"{file} is cut short: its last line ends in mid object.")
    except (OSError, EOFError, zlib.error) as error:
        raise TruncatedSource(f"{file} is cut short or damaged.") from error


def _json_object(line: bytes) -> dict[str, object] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
