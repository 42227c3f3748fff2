"""Filters CSV, TSV, JSONL and plain lists of addresses: kept records are copied as they were spelled, dropped ones are left out."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TextIO

from demur.exclusions.reader import ExclusionList
from demur.filtering.keys import NO_NAMES, Names, record_table
from demur.filtering.report import FilterReport, Progress, UnreadableManifest

_BATCH = 1 << 14

Record = tuple[str, Mapping[str, object]]
"""A record's text with its line end, and its fields."""


def filter_csv(
    source: Path,
    target: Path,
    exclusions: ExclusionList,
    report: FilterReport,
    progress: Progress,
    given: Names = NO_NAMES,
    delimiter: str = ",",
) -> None:
    """The first record is the header, and is always kept. `given`: see key_columns.

    Raises UnreadableManifest, NoKeyColumn, BadKeyColumn, OSError.
    """
    _filter(source, target, partial(_csv_records, delimiter=delimiter), exclusions, report, progress, given)


def filter_jsonl(
    source: Path, target: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress, given: Names = NO_NAMES
) -> None:
    """Blank lines are left out. `given`: see key_columns. Raises UnreadableManifest, NoKeyColumn, BadKeyColumn, OSError."""
    _filter(source, target, _json_records, exclusions, report, progress, given)


def filter_addresses(source: Path, target: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress) -> None:
    """CSV of one column, the address, without a header. Raises UnreadableManifest, OSError."""
    _filter(source, target, _address_records, exclusions, report, progress, NO_NAMES)


def _filter(
    source: Path,
    target: Path,
    records: Callable[[TextIO, TextIO, Path], Iterator[Record]],
    exclusions: ExclusionList,
    report: FilterReport,
    progress: Progress,
    given: Names,
) -> None:
    size = source.stat().st_size
    with (
        open(source, "rb") as raw,
        TextIOWrapper(raw, encoding="utf-8", newline="") as file,
        open(target, "w", encoding="utf-8", newline="") as out,
    ):
        stream = records(file, out, source)
        try:
            while batch := list(islice(stream, _BATCH)):
                _copy_kept(batch, out, exclusions, report, source, given)
                progress(raw.tell(), size)
        except UnicodeDecodeError as error:
            raise UnreadableManifest(f"{source} is not UTF-8 text") from error


def _copy_kept(batch: Sequence[Record], out: TextIO, exclusions: ExclusionList, report: FilterReport, source: Path, given: Names) -> None:
    mask = report.add(exclusions.judge(record_table([fields for _, fields in batch], str(source), given)))
    out.writelines(text for (text, _), keep in zip(batch, mask.to_pylist(), strict=True) if keep)


def _csv_records(file: TextIO, out: TextIO, source: Path, delimiter: str) -> Iterator[Record]:
    cells = _cells(file, source, delimiter)
    header, names = next(cells, ("", []))
    out.write(header)
    names = [name.removeprefix("\ufeff") for name in names]
    for text, row in cells:
        yield text, {name: cell or None for name, cell in zip(names, row, strict=False)}


def _address_records(file: TextIO, out: TextIO, source: Path) -> Iterator[Record]:
    for text, row in _cells(file, source, ","):
        if len(row) != 1:
            raise UnreadableManifest(f"{source} is not a list of addresses: {text.strip()!r} has {len(row)} cells")
        yield text, {"url": row[0].removeprefix("\ufeff")}


def _cells(file: TextIO, source: Path, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    """Each record as it is spelled, with its cells; blank lines are left out."""
    lines = _Lines(file)
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    try:
        for row in reader:
            text = lines.take()
            if row:
                yield text, row
    except csv.Error as error:
        raise UnreadableManifest(f"{source} is not a whole CSV file: line {reader.line_num}: {error}") from error


class _Lines:
    """Hands lines to the CSV parser and remembers them, so that a record of several lines can be copied as it was."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self._taken.append(line)
        return line

    def take(self) -> str:
        """The lines handed out since the last call."""
        text = "".join(self._taken)
        self._taken.clear()
        return text


def _json_records(file: TextIO, out: TextIO, source: Path) -> Iterator[Record]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UnreadableManifest(f"{source} is not JSONL: line {number} is not JSON") from error
        if not isinstance(fields, dict):
            raise UnreadableManifest(f"{source} is not JSONL: line {number} is not an object")
        yield line, fields
