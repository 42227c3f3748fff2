"""What a Parquet file would unpack to, known from its page headers before anything is unpacked.

A file of a few kilobytes can hold gigabytes: as pages that compress well, as one long text in a dictionary that every row points at, or as
texts that repeat the one before (DELTA_BYTE_ARRAY). Readers allocate what a page claims, whatever the file's footer says. So the pages are
walked as a reader would walk them: https://github.com/apache/parquet-format (PageHeader, in Thrift's compact protocol).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa

_LONGEST_HEADER = 1 << 16
_PLAIN, _PLAIN_DICTIONARY, _RLE_DICTIONARY = 0, 2, 8
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_ZSTD = 6
_LENGTH = struct.Struct("<I")
_DEEPEST = 8
_BINARY, _LIST, _STRUCT = 8, 9, 12


class BadPages(ValueError):
    """The pages are not those of a file of entries or of a delta."""


@dataclass(frozen=True)
class Page:
    """A page's header. ``column``: its number, from 0. ``unpacked``: bytes. ``place`` and ``packed``: where its content lies, in bytes, and
    ``codec``: how it is packed (CompressionCodec)."""

    column: int
    dictionary: bool
    unpacked: int
    place: int
    packed: int
    codec: int

    def longest_text(self, file: BinaryIO) -> int:
        """Bytes of the longest text of a dictionary; those of the whole page where it is not packed as lists are. Raises BadPages."""
        if self.codec != _ZSTD:
            return self.unpacked
        file.seek(self.place)
        try:
            data = pa.Codec("zstd").decompress(file.read(self.packed), self.unpacked).to_pybytes()
        except OSError as error:
            raise BadPages("a page cannot be unpacked") from error
        at = longest = 0
        while at + 4 <= len(data):
            (length,) = _LENGTH.unpack_from(data, at)
            longest, at = max(longest, length), at + 4 + length
        return longest


def pages_of(file: BinaryIO, columns: int) -> Iterator[Page]:
    """The header of every page of a file of so many columns. Raises BadPages, OSError."""
    for column, chunk in _chunks(file, columns):
        yield from _pages_of(file, column, chunk)


def _chunks(file: BinaryIO, columns: int) -> Iterator[tuple[int, dict[int, Any]]]:
    """The ColumnMetaData of each column of each row group, from the footer: Arrow aborts the process at some damaged ones."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    length = int.from_bytes(file.read(4), "little")
    if file.read(4) != b"PAR1" or length > size - 8:
        raise BadPages("the file has no footer")
    file.seek(size - 8 - length)
    footer, _ = _Thrift(file.read(length)).struct()
    for group in _items(footer, 4):
        chunks = _items(group, 1)
        if len(chunks) != columns or not all(isinstance(chunk.get(3), dict) for chunk in chunks):
            raise BadPages("a column is not described, or they are not as many as a list has")
        yield from ((column, chunk[3]) for column, chunk in enumerate(chunks))


def _items(fields: dict[int, Any], number: int) -> list[dict[int, Any]]:
    items = fields.get(number)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadPages("the footer lacks a list")
    return items


def _pages_of(file: BinaryIO, column: int, chunk: dict[int, Any]) -> Iterator[Page]:
    starts = [_count(chunk, number) for number in (9, 11) if number in chunk]  # data, dictionary
    at = min(starts, default=0)
    end = at + _count(chunk, 7)
    while at < end:
        file.seek(at)
        header, length = _Thrift(file.read(_LONGEST_HEADER)).struct()
        kind, unpacked, packed = (_count(header, number) for number in (1, 2, 3))
        told = header.get({_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}.get(kind, -1))
        if not isinstance(told, dict):
            raise BadPages("a page is of a kind that lists do not have")
        encoding = told.get(4 if kind == _DATA_V2 else 2)
        if encoding not in (_PLAIN, _PLAIN_DICTIONARY, _RLE_DICTIONARY):
            raise BadPages("a page is encoded in a way that lists do not have")
        yield Page(column, kind == _DICTIONARY, unpacked, at + length, packed, _count(chunk, 4))
        at += length + packed


def _count(fields: dict[int, Any], number: int) -> int:
    value = fields.get(number)
    if not isinstance(value, int) or value < 0:
        raise BadPages("a page's header lacks a length")
    return value


class _Thrift:
    """Reads one struct of Thrift's compact protocol, as field number → whole number, struct or list. Raises BadPages."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def struct(self, depth: int = 0) -> tuple[dict[int, Any], int]:
        """The fields, and how many bytes they took."""
        if depth > _DEEPEST:
            raise BadPages("a page's header is nested too deep")
        fields: dict[int, Any] = {}
        number = 0
        while byte := self._byte():
            number = number + (byte >> 4) if byte >> 4 else self._signed()
            fields[number] = self._value(byte & 15, depth)
        return fields, self._at

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._skip(8)
        if kind == _BINARY:
            return self._skip(self._unsigned())
        if kind == _STRUCT:
            return self.struct(depth + 1)[0]
        if kind == _LIST:
            return self._list(depth)
        raise BadPages("a page's header is of another form")

    def _list(self, depth: int) -> list[Any]:
        byte = self._byte()
        size = byte >> 4 if byte >> 4 < 15 else self._unsigned()
        if size > _LONGEST_HEADER:
            raise BadPages("a page's header is of another form")
        return [self._value(byte & 15, depth + 1) for _ in range(size)]

    def _skip(self, length: int) -> None:
        self._at += length

    def _byte(self) -> int:
        if self._at >= len(self._data):
            raise BadPages("a page's header has no end")
        self._at += 1
        return self._data[self._at - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise BadPages("a page's header is of another form")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
