"""Reads CSV and TSV by one rule for import and filter alike: RFC 4180, strictly.

A cell is quoted as a whole or not at all, so `a 12" ruler` is plain text, and `"say \\"hi\\""` is a row that cannot be read. Such a row
ends with the line that it began on, and reading resumes on the next: a stray quote never swallows other rows. A row with more or fewer
cells than the header cannot be read, since nobody knows which cell moved. Blank lines are passed over, Excel's line `sep=;` is obeyed.

Blocks without anything unusual are parsed by Arrow (`plain_block`); all others by `records`, in the same way and more slowly.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from demur.manifests.errors import TruncatedSource
from demur.manifests.sources.records import LONGEST_RECORD

BLOCK_BYTES = 1 << 22
LATIN = "is not UTF-8 text (iconv -f LATIN1 -t UTF-8 converts Latin-1)"
_QUOTE, _NEWLINE, _RETURN = 34, 10, 13
csv.field_size_limit(max(csv.field_size_limit(), LONGEST_RECORD))  # the module has one for the whole process


@dataclass(frozen=True)
class CsvRecord:
    """One row. `spelled`: with its line end; `cells`: "" for an empty one; `fault`: why it cannot be read, "" where it can."""

    place: int
    spelled: bytes
    cells: Sequence[str] = ()
    fault: str = ""


@dataclass(frozen=True)
class PlainBlock:
    """Rows that Arrow has read: `columns` of bytes, by their number in the header, null where a cell is empty; and the rows left out."""

    columns: pa.Table
    places: npt.NDArray[np.int64]
    faults: Sequence[CsvRecord]


@contextmanager
def text_stream(file: Path) -> Iterator[IO[bytes]]:
    """A text file's bytes, unpacked. Raises TruncatedSource where it cannot be unpacked, or is UTF-16."""
    with cast(IO[bytes], gzip.open(file)) if file.suffix == ".gz" else file.open("rb") as stream:
        try:
            if stream.read(2) in (b"\xff\xfe", b"\xfe\xff"):
                raise TruncatedSource(f"{file} is UTF-16 text, which is not read: convert it with iconv -f UTF-16 -t UTF-8.")
            stream.seek(0)
            yield stream
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TruncatedSource(f"{file} is cut short or damaged: it cannot be unpacked.") from error


class CsvReader:
    """The rows of one file behind its header, in order. `head`: the header as it is spelled, with what stands before it.

    Raises TruncatedSource, from every method.
    """

    def __init__(self, stream: IO[bytes], where: Path, delimiter: str = ",") -> None:
        self._stream, self._where = stream, where
        self._buffer, self._at, self._mark, self._ended = b"", 0, 0, False
        self._place = 0
        self._delimiter, self._spaced = delimiter, False
        self.head = b""
        self.names: list[str] = []
        self._fill()
        self._read_header()

    def _read_header(self) -> None:
        spelled = self._line_with_text()
        if spelled.removeprefix(b"\xef\xbb\xbf")[:4].lower() == b"sep=" and len(spelled.strip()) <= 8:
            self._delimiter = spelled.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")[4:5]
            self.head = spelled
            spelled = self._line_with_text()
        if len(self._delimiter) != 1 or self._delimiter in '"\r\n':
            raise TruncatedSource(f"{self._where} states no delimiter in its first line, sep=.")
        self._at -= len(spelled)
        record = self._record()
        self.head += record.spelled if record else b""
        if record is None:
            return
        if record.fault:
            raise TruncatedSource(f"{self._where} has a header that {record.fault}.")
        self._spaced = f"{self._delimiter} " in record.spelled.decode()
        self.names = [name.removeprefix("\ufeff").strip() for name in record.cells]

    def _line_with_text(self) -> bytes:
        while (line := self._line()) and not line.strip(b"\r\n\xef\xbb\xbf"):
            self._mark = self._at
        return line

    def records(self, until: int | None = None) -> Iterator[CsvRecord]:
        """The next rows, one by one: all, or those that begin before as many bytes as `until` are read."""
        left = until
        while left is None or left > 0:
            record = self._record()
            if record is None:
                return
            left = None if left is None else left - len(record.spelled)
            if record.spelled.strip(b"\r\n"):
                yield self._checked(record)
                self._place += 1

    def _checked(self, record: CsvRecord) -> CsvRecord:
        fault = record.fault or ("" if len(record.cells) == len(self.names) else "has more or fewer cells than the header")
        if fault and self._ended and self._at == len(self._buffer) and not record.spelled.endswith(b"\n"):
            raise TruncatedSource(f"{self._where} is cut short: its last row ends in mid line.")
        return CsvRecord(self._place, record.spelled, record.cells, fault)

    def _record(self) -> CsvRecord | None:
        self._mark = self._at
        line = self._line()
        if not line:
            return None
        if len(line) > LONGEST_RECORD:
            return CsvRecord(0, line, fault=f"is longer than {LONGEST_RECORD >> 20} MiB")
        try:
            if b'"' not in line and b"\r" not in line.removesuffix(b"\r\n"):
                text = line.decode().rstrip("\r\n")
                cells = text.split(self._delimiter)
                return CsvRecord(0, line, [cell.lstrip(" ") for cell in cells] if self._spaced else cells)
            cells = self._quoted(line)
            return CsvRecord(0, self._buffer[self._mark : self._at], cells)
        except UnicodeDecodeError:
            fault = LATIN
        except csv.Error:
            fault = "has quotes that do not enclose whole cells"
        self._at = self._mark + len(line)
        return CsvRecord(0, line, fault=fault)

    def _quoted(self, line: bytes) -> list[str]:
        reader = csv.reader(self._decoded(line), strict=True, delimiter=self._delimiter, skipinitialspace=self._spaced)
        return next(reader)

    def _decoded(self, line: bytes) -> Iterator[str]:
        while line:
            yield line.decode()
            if self._at - self._mark > LONGEST_RECORD:
                raise csv.Error("too long")
            line = self._line()

    def plain_block(self, columns: Sequence[int]) -> PlainBlock | None:
        """The next few megabytes of rows; None where they hold something unusual, or none is whole, and `records` is to read on."""
        self._mark = self._at
        if len(self._buffer) - self._at < BLOCK_BYTES:
            self._fill()
        data = self._buffer[self._at : self._at + BLOCK_BYTES]
        ends = None if self._spaced or len(self._delimiter.encode()) > 1 else _row_ends(data, ord(self._delimiter))
        if ends is None or not len(ends.rows):
            return None
        self._at += int(ends.rows[-1]) + 1
        starts = np.concatenate([[0], ends.rows[:-1] + 1])
        filled = ~ends.blank
        good = filled & (ends.cells == len(self.names))
        places = np.cumsum(filled) - 1 + self._place
        self._place += int(filled.sum())
        faults = [
            CsvRecord(int(places[row]), data[starts[row] : ends.rows[row] + 1], fault="has more or fewer cells than the header")
            for row in np.flatnonzero(filled & ~good).tolist()
        ]
        rows = data[: ends.rows[-1] + 1] if good.all() else b"".join(data[starts[row] : ends.rows[row] + 1] for row in np.flatnonzero(good))
        return PlainBlock(self._parsed(rows, int(good.sum()), columns), places[good], faults)

    def _parsed(self, rows: bytes, expected: int, columns: Sequence[int]) -> pa.Table:
        names = [str(number) for number in range(len(self.names))]
        asked = [str(number) for number in columns]
        if not expected:
            return pa.table({name: pa.array([], pa.binary()) for name in asked})
        found = pyarrow.csv.read_csv(
            pa.BufferReader(rows),
            read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=max(len(rows), 1), use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(asked, pa.binary()), include_columns=asked, null_values=[""], strings_can_be_null=True
            ),
        )
        if len(found) != expected:
            raise TruncatedSource(f"{self._where} is damaged: {len(found)} rows were read of {expected}.")
        return found

    def _line(self) -> bytes:
        """The next line with its end; at most a little more than a longest record of it."""
        while (end := self._buffer.find(b"\n", self._at)) < 0 and not self._ended and len(self._buffer) - self._at <= LONGEST_RECORD:
            self._fill()
        stop = len(self._buffer) if end < 0 else end + 1
        line = self._buffer[self._at : stop]
        self._at = stop
        return line

    def _fill(self) -> None:
        fresh = self._stream.read(BLOCK_BYTES)
        if b"\0" in fresh:
            raise TruncatedSource(f"{self._where} is damaged: it has NUL bytes, which no text file has.")
        self._ended = not fresh
        self._buffer = self._buffer[self._mark :] + fresh
        self._at, self._mark = self._at - self._mark, 0


@dataclass(frozen=True)
class _Ends:
    rows: npt.NDArray[np.int64]  # where the line end of each row is
    cells: npt.NDArray[np.int64]  # of each row
    blank: npt.NDArray[np.bool_]


def _row_ends(data: bytes, delimiter: int) -> _Ends | None:
    """Where rows end: at line ends outside of quotes. None where a quote does not enclose a whole cell, or a return ends no line."""
    codes = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(codes == _QUOTE)
    lines, cuts = np.flatnonzero(codes == _NEWLINE), np.flatnonzero(codes == delimiter)
    if len(quotes) % 2:  # the last cell goes on behind these bytes: only the rows before it are whole
        lines, quotes = lines[lines < quotes[-1]], quotes[:-1]
    if len(quotes):
        if not _enclose_cells(codes, quotes, delimiter):
            return None
        lines = lines[np.searchsorted(quotes, lines) % 2 == 0]
        cuts = cuts[np.searchsorted(quotes, cuts) % 2 == 0]
    if not len(lines) or not _is_plain(data[: lines[-1] + 1]):
        return None
    cells = np.diff(np.searchsorted(cuts, lines), prepend=0) + 1
    lengths = np.diff(lines, prepend=-1) - 1
    return _Ends(lines, cells, (lengths == 0) | ((lengths == 1) & (codes[lines - 1] == _RETURN)))


def _enclose_cells(codes: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64], delimiter: int) -> bool:
    """Whether every other quote begins a cell or follows a quote, and the others end one or stand before a quote."""
    opening, closing = quotes[0::2], quotes[1::2]
    ahead = np.where(opening > 0, codes[opening - 1], _NEWLINE)
    behind = np.where(closing + 1 < len(codes), codes[np.minimum(closing + 1, len(codes) - 1)], _NEWLINE)
    begins = np.isin(ahead, (delimiter, _NEWLINE, _QUOTE)).all()
    return bool(begins and np.isin(behind, (delimiter, _NEWLINE, _RETURN, _QUOTE)).all())


def _is_plain(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return data.count(b"\r") == data.count(b"\r\n")
