"""CSV, TSV and JSONL manifests, plain or gzipped: one file or a directory of shards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from demur.manifests.columns import first_given
from demur.manifests.errors import TruncatedSource
from demur.manifests.pictures import suffix
from demur.manifests.rejections import Reason, Rejections
from demur.manifests.schema import match_all_columns
from demur.manifests.sources.delimited import BLOCK_BYTES, CsvReader, CsvRecord, PlainBlock, text_stream
from demur.manifests.sources.records import LONGEST_RECORD, RECORD_ROWS, BadRecord, Record, json_object, record_batch
from demur.manifests.sources.source import BATCH_ROWS, Source

DELIMITERS = {".csv": ",", ".tsv": "\t"}
_SHOWN = 80


@dataclass(frozen=True)
class JsonLine:
    """One line of a JSONL file. `place`: its number, from 0; `fault`: why it cannot be read, "" where it can."""

    place: int
    spelled: bytes
    record: Record
    fault: str = ""


def text_source(root: Path, files: list[Path]) -> Source:
    """Reads nothing yet."""

    def batches(rejected: Rejections) -> Iterator[pa.RecordBatch]:
        for file in files:
            shard = file.relative_to(root).as_posix()
            yield from (_csv_batches if suffix(shard) in DELIMITERS else _jsonl_batches)(file, shard, rejected)

    return Source("csv" if suffix(files[0].name) in DELIMITERS else "jsonl", root, None, batches)


def json_lines(file: Path) -> Iterator[JsonLine]:
    """The lines of a JSONL file that are not blank. Raises TruncatedSource, also when the last one is cut."""
    with text_stream(file) as stream:
        place = -1
        while line := stream.readline(LONGEST_RECORD + 1):
            place += 1
            if not line.strip():
                continue
            try:
                record, fault = json_object(line), ""
            except BadRecord as error:
                record, fault = {}, str(error)
            ended = line.endswith(b"\n") or _skipped_to_line_end(stream, line)
            if fault and not ended:
                raise TruncatedSource(f"{file} is cut short: its last line ends in mid object.")
            yield JsonLine(place, line, record, fault)


def _skipped_to_line_end(stream: IO[bytes], line: bytes) -> bool:
    """Passes over the rest of a line that is too long to be read. Whether it has an end."""
    while len(line) > LONGEST_RECORD and not line.endswith(b"\n"):
        line = stream.readline(LONGEST_RECORD + 1)
        if not line:
            return False
        line = line if line.endswith(b"\n") else line.ljust(LONGEST_RECORD + 1)
    return line.endswith(b"\n")


def _csv_batches(file: Path, shard: str, rejected: Rejections) -> Iterator[pa.RecordBatch]:
    with text_stream(file) as stream:
        reader = CsvReader(stream, file, DELIMITERS[suffix(shard)])
        columns = match_all_columns(reader.names, shard)
        numbers = {ours: [reader.names.index(each) for each in theirs] for ours, theirs in columns.items()}
        asked = sorted(set(chain.from_iterable(numbers.values())))
        while True:
            block = reader.plain_block(asked)
            records = [] if block else list(reader.records(BLOCK_BYTES))
            if block is None and not records:
                return
            rows = block or _block(records, asked)
            for fault in rows.faults:
                rejected.add(Reason.MALFORMED_ROW, [f"{shard}, row {fault.place + 1}: it {fault.fault}: {fault.spelled[:_SHOWN]!r}"])
            yield from _located(rows, numbers, shard)


def _block(records: Sequence[CsvRecord], asked: Sequence[int]) -> PlainBlock:
    good = [record for record in records if not record.fault]
    columns = {str(number): pa.array([record.cells[number].encode() or None for record in good], pa.binary()) for number in asked}
    places = np.array([record.place for record in good], dtype=np.int64)
    return PlainBlock(pa.table(columns), places, [record for record in records if record.fault])


def _located(rows: PlainBlock, numbers: Mapping[str, Sequence[int]], shard: str) -> Iterator[pa.RecordBatch]:
    plain = rows.columns.combine_chunks()
    columns = {ours: first_given(ours, [_text(plain.column(str(each))) for each in places]) for ours, places in numbers.items()}
    table = pa.table({**columns, "shard": pa.repeat(pa.scalar(shard), len(rows.places)), "row": pa.array(rows.places)})
    yield from table.combine_chunks().to_batches(BATCH_ROWS)


def _text(column: pa.ChunkedArray) -> pa.Array:
    """Cells as text, whether or not they are UTF-8, which their readers check: as bytes, 16 of them might be taken for a UUID."""
    joined = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return joined.view(pa.string()) if pa.types.is_binary(joined.type) else joined


def _jsonl_batches(file: Path, shard: str, rejected: Rejections) -> Iterator[pa.RecordBatch]:
    lines = _readable(file, shard, rejected)
    while batch := list(islice(lines, RECORD_ROWS)):
        yield record_batch([line.record for line in batch], [line.place for line in batch], shard, rejected)


def _readable(file: Path, shard: str, rejected: Rejections) -> Iterator[JsonLine]:
    for line in json_lines(file):
        if line.fault:
            rejected.add(Reason.MALFORMED_ROW, [f"{shard}, row {line.place + 1}: it {line.fault}: {line.spelled[:_SHOWN]!r}"])
        else:
            yield line
