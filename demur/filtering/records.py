"""Filters CSV, TSV, JSONL and plain lists of addresses: kept records are copied as they were spelled, dropped ones are left out.

They are read by the import's readers, so a row that the import rejects is counted here as unreadable.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO

from demur.exclusions.columns import BLANKS, KEY_COLUMNS, PATHS, aliased, plain_name
from demur.exclusions.reader import ExclusionList
from demur.filtering.keys import NO_NAMES, ComparedColumns, Names, key_columns, record_table
from demur.filtering.report import FilterReport, Progress, UnreadableManifest
from demur.filtering.writing import opened_like
from demur.manifests.errors import TruncatedSource
from demur.manifests.pictures import suffix
from demur.manifests.sources.delimited import LATIN, CsvReader, CsvRecord, text_stream
from demur.manifests.sources.folder import placed
from demur.manifests.sources.records import LONGEST_RECORD
from demur.manifests.sources.text import json_lines

_BATCH = 1 << 14
_SHOWN = 80
_TWO_ADDRESSES = re.compile(r",\s*[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class _Row:
    """A record as it is spelled, with its line end; its fields; or why it cannot be read."""

    place: int
    spelled: bytes
    fields: Mapping[str, object]
    fault: str = ""


def filter_csv(
    source: Path,
    target: Path,
    exclusions: ExclusionList,
    report: FilterReport,
    progress: Progress,
    given: Names = NO_NAMES,
    delimiter: str = ",",
    folder: str = ".",
) -> None:
    """The first record is the header, and is always kept. `given`: see key_columns; `folder`: where the paths in it begin.

    Raises UnreadableManifest, NoKeyColumn, BadKeyColumn, OSError.
    """

    def rows(out: IO[bytes]) -> Iterator[_Row]:
        with text_stream(source) as stream:
            reader = CsvReader(stream, source, delimiter)
            found = key_columns(reader.names, str(source), given)  # refuses two columns of one name, which a record could not hold
            ComparedColumns.of(found, exclusions.head.counts, str(source))
            out.write(reader.head)
            yield from (_in_folder(_named(record, reader.names), folder) for record in reader.records())

    _filter(source, target, rows, exclusions, report, progress, given)


def filter_jsonl(
    source: Path,
    target: Path,
    exclusions: ExclusionList,
    report: FilterReport,
    progress: Progress,
    given: Names = NO_NAMES,
    folder: str = ".",
) -> None:
    """Blank lines are left out. `given`, `folder`: see filter_csv. Raises UnreadableManifest, NoKeyColumn, BadKeyColumn, OSError."""

    def rows(out: IO[bytes]) -> Iterator[_Row]:
        return (_in_folder(_Row(line.place, line.spelled, line.record, line.fault), folder) for line in json_lines(source))

    _filter(source, target, rows, exclusions, report, progress, given)


def filter_addresses(source: Path, target: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress) -> None:
    """One address a line, which may hold commas and be quoted as a whole. Raises UnreadableManifest, OSError."""

    def rows(out: IO[bytes]) -> Iterator[_Row]:
        with text_stream(source) as stream:
            place = -1
            while line := stream.readline(LONGEST_RECORD + 1):
                place += 1
                if len(line) > LONGEST_RECORD or b"\0" in line:
                    raise UnreadableManifest(f"{source} is not a list of addresses: row {place + 1} is too long, or holds NUL bytes")
                if line.strip(b"\r\n"):
                    yield _address(place, line, source)

    _filter(source, target, rows, exclusions, report, progress, NO_NAMES)


def _address(place: int, line: bytes, source: Path) -> _Row:
    try:
        text = line.decode().removeprefix("\ufeff").strip(BLANKS)
        fault = ""
    except UnicodeDecodeError:
        text, fault = "", LATIN
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('""', '"')
    elif '"' in text or _TWO_ADDRESSES.search(text):
        fault = "holds several addresses, or quotes that do not enclose it"
    if fault:  # img2dataset would not read it either
        raise UnreadableManifest(f"{source} is not a list of addresses: row {place + 1} {fault}")
    if " " in text or not text.isprintable():  # as of a file whose lines end with a return alone, or hold more than the address
        return _Row(place, line, {}, "holds a blank or a character that cannot be printed, as no address does")
    return _Row(place, line, {"url": text})


def _in_folder(row: _Row, folder: str) -> _Row:
    """With paths from the root of the folder of which the table is a part."""
    if folder == ".":
        return row
    paths = {name: placed(value, folder) for name, value in row.fields.items() if plain_name(name) in PATHS and isinstance(value, str)}
    return replace(row, fields={**row.fields, **paths})


def _named(record: CsvRecord, names: Sequence[str]) -> _Row:
    fields = {} if record.fault else {name: cell.removeprefix("\ufeff") or None for name, cell in zip(names, record.cells, strict=True)}
    return _Row(record.place, record.spelled, fields, record.fault)


def _filter(
    source: Path,
    target: Path,
    rows: Callable[[IO[bytes]], Iterator[_Row]],
    exclusions: ExclusionList,
    report: FilterReport,
    progress: Progress,
    given: Names,
) -> None:
    done, size = 0, source.stat().st_size
    try:
        with opened_like(source, target) as out:
            stream = rows(out)
            while batch := list(islice(stream, _BATCH)):
                _copy_kept(batch, out, exclusions, report, source, given)
                done += sum(len(row.spelled) for row in batch)
                progress(done, max(size, done))
    except TruncatedSource as error:
        raise UnreadableManifest(str(error).rstrip(".")) from error


def _copy_kept(batch: Sequence[_Row], out: IO[bytes], exclusions: ExclusionList, report: FilterReport, source: Path, given: Names) -> None:
    for row in batch:
        if row.fault:
            shown = row.spelled[:_SHOWN].decode(errors="backslashreplace").rstrip()
            report.add_unreadable(f"a row {row.fault}", f"{source.name}, row {row.place + 1}: {shown}")
    readable = [row for row in batch if not row.fault]
    if readable:
        mask = report.add(exclusions.judge(record_table([row.fields for row in readable], str(source), given)))
        out.writelines(row.spelled for row, keep in zip(readable, mask.to_pylist(), strict=True) if keep)


def is_named_by_paths(source: Path) -> bool:
    """Whether the first row of a CSV or JSONL file has no uid but the path of its picture. Raises UnreadableManifest."""
    try:
        if suffix(source.name) == ".csv":
            with text_stream(source) as stream:
                names = CsvReader(stream, source).names
        else:
            names = [name for line in islice(json_lines(source), 1) for name in line.record]
    except TruncatedSource as error:
        raise UnreadableManifest(str(error).rstrip(".")) from error
    uids = aliased(KEY_COLUMNS["uid"].aliases, names)
    return bool(uids) and plain_name(uids[0]) in PATHS
