"""Zip files that every reader reads alike: where two could differ, nothing is read. static/verify/zip.js does the same in the browser.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT. Zip64 is read where there are more than 65,534 files, and nowhere else.
"""

import mmap
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

Packed = bytes | mmap.mmap

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_START = 12  # its bytes that its own length does not count
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_EXTRA = struct.Struct("<2H")
_SIZES64 = struct.Struct("<2Q")
_LONGEST_COMMENT = 0xFFFF
_STORED, _DEFLATED = 0, 8
_UNUSUAL = 0x1 | 0x20 | 0x40  # encrypted, a patch, or encrypted otherwise
_DESCRIBED_AFTER = 0x8  # what is known of a file only when it was packed follows it, instead of standing before it
_UTF8 = 0x800
_NEWEST = 63  # the version of the format that a file asks for
_LARGE = 0xFFFFFFFF
_LARGE_SIZES = 1  # the extra field that has them
_PIECE = 1 << 16  # bytes that are unpacked at a time


class BadZip(ValueError):
    """The bytes are no zip file, or one that two readers could read differently. The message is a clause for the person."""


class TooManyFiles(BadZip):
    """It may be a good zip file, of more files than are read here."""


@dataclass(frozen=True)
class ZippedFile:
    """``size`` of its content in bytes, and ``crc``, its checksum: as the directory says. ``start``: where its ``packed`` bytes begin."""

    name: str
    deflated: bool
    start: int
    packed: int
    size: int
    crc: int

    def beginning(self, data: Packed, length: int) -> bytes:
        """The first bytes of its content, unchecked; no more is unpacked than they take. Raises BadZip."""
        end = self.start + self.packed
        if not self.deflated:
            return data[self.start : min(self.start + length, end)]
        unpacking, found = zlib.decompressobj(-15), b""
        try:
            for place in range(self.start, end, _PIECE):
                found += unpacking.decompress(data[place : min(place + _PIECE, end)], length - len(found))
                if len(found) >= length:
                    break
        except zlib.error as error:
            raise BadZip("a file of it cannot be unpacked") from error
        return found

    def content(self, data: Packed) -> bytes:
        """All of it. Raises BadZip where it is of another length than the directory says, or of another checksum."""
        piece = data[self.start : self.start + self.packed]
        whole = self._inflated(piece) if self.deflated else bytes(piece)
        if len(whole) != self.size or zlib.crc32(whole) != self.crc:
            raise BadZip("a file of it is of another length or checksum than its directory says")
        return whole

    def _inflated(self, piece: bytes) -> bytes:
        unpacking = zlib.decompressobj(-15)
        try:
            whole = unpacking.decompress(piece, self.size + 1)
        except zlib.error as error:
            raise BadZip("a file of it cannot be unpacked") from error
        if not unpacking.eof or unpacking.unused_data:
            raise BadZip("a file of it is of another length than its directory says")
        return whole


@dataclass(frozen=True)
class _Listed:
    """A file as the directory lists it. ``start``: of what stands before its bytes."""

    start: int
    name: bytes
    flags: int
    method: int
    packed: int
    size: int
    crc: int


def has_end(data: Packed) -> bool:
    """Whether there is the end of a zip file, whatever comes before."""
    return _find_end(data) >= 0


def files_of(data: Packed, most: int) -> list[ZippedFile]:
    """The files that its directory lists, folders too. Raises BadZip, before more than ``most`` are read."""
    try:
        count, first, end, before = _directory(data)
        if count > most:
            raise TooManyFiles(f"it holds {count:,} files, and no more than {most:,} are unpacked here")
        return _whole(data, [replace(one, start=one.start + before) for one in _listed(data, count, first, end)], first)
    except struct.error as error:
        raise BadZip("it is not a whole zip file: it points past its end") from error


def _find_end(data: Packed) -> int:
    return data.rfind(b"PK\5\6", max(0, len(data) - _END.size - _LONGEST_COMMENT))


def _directory(data: Packed) -> tuple[int, int, int, int]:
    """How many files there are, where their directory begins and ends, and how many bytes come before the zip file."""
    end = _find_end(data)
    if end < 0:
        raise BadZip("it is not a whole zip file: it has no end")
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(data, end)
    if disk or first_disk or here != count or end + _END.size + comment != len(data):
        raise BadZip("it is not a whole zip file: its end says other things than its bytes")
    if end >= _LOCATOR.size and data[end - _LOCATOR.size : end - _LOCATOR.size + 4] == b"PK\6\7":
        end -= _LOCATOR.size + _END64.size
        count, size, offset = _large(data, end, (count, size, offset))
    first = end - size
    if first - offset < 0:
        raise BadZip("it is not a whole zip file: its directory is elsewhere than its end says")
    return count, first, end, first - offset


def _large(data: Packed, place: int, small: tuple[int, int, int]) -> tuple[int, int, int]:
    if place < 0:
        raise BadZip("it is not a whole zip file: it has no end")
    mark, length, _, _, disk, first_disk, here, count, size, offset = _END64.unpack_from(data, place)
    if mark != b"PK\6\6" or length != _END64.size - _END64_START or disk or first_disk or here != count or count <= 0xFFFF:
        raise BadZip("it is not a whole zip file: its two ends say different things")
    _, disk, from_start, disks = _LOCATOR.unpack_from(data, place + _END64.size)
    if disk or disks != 1 or from_start != offset + size:  # the second end begins where the directory ends
        raise BadZip("it is not a whole zip file: its two ends say different things")
    if small != (0xFFFF, min(size, _LARGE), min(offset, _LARGE)):
        raise BadZip("it is not a whole zip file: its two ends say different things")
    return count, size, offset


def _listed(data: Packed, count: int, place: int, end: int) -> Iterator[_Listed]:
    """So many files, which fill the directory exactly. Raises BadZip, struct.error."""
    for _ in range(count):
        mark, _, needs, flags, method, _, _, crc, packed, size, name, extra, comment, _, _, _, start = _ENTRY.unpack_from(data, place)
        if mark != b"PK\1\2" or place + _ENTRY.size + name + extra + comment > end:
            raise BadZip("it is not a whole zip file: its directory holds fewer files than its end says")
        if flags & _UNUSUAL or method not in (_STORED, _DEFLATED) or needs & 0xFF > _NEWEST or _LARGE in (packed, size, start):
            raise BadZip("it is packed in a way that bundles of evidence are not")
        yield _Listed(start, data[place + _ENTRY.size : place + _ENTRY.size + name], flags, method, packed, size, crc)
        place += _ENTRY.size + name + extra + comment
    if place != end:
        raise BadZip("it is not a whole zip file: its directory holds more than its end says")


def _whole(data: Packed, listed: Sequence[_Listed], first: int) -> list[ZippedFile]:
    """The files, none of which lies over another or over the directory that begins at ``first``. In the directory's order."""
    ends = dict(pairwise([*sorted(one.start for one in listed), first]))
    if len(ends) != len(listed):
        raise BadZip("it is not a whole zip file: two files of it are at one place")
    return [_file(data, one, ends[one.start]) for one in listed]


def _file(data: Packed, listed: _Listed, end: int) -> ZippedFile:
    mark, _, flags, method, _, _, crc, packed, size, length, extra = _LOCAL.unpack_from(data, listed.start)
    name = listed.start + _LOCAL.size
    if mark != b"PK\3\4" or data[name : name + length] != listed.name:
        raise BadZip("it is not a whole zip file: a file of it has another name than its directory says")
    content = name + length + extra
    if content + listed.packed > end:
        raise BadZip("it is not a whole zip file: two files of it lie over each other")
    if (flags, method) != (listed.flags, listed.method) or not _is_alike(listed, crc, packed, size, data[name + length : content]):
        raise BadZip("it is not a whole zip file: a file of it says other things of itself than its directory does")
    return ZippedFile(_text(listed), listed.method == _DEFLATED, content, listed.packed, listed.size, listed.crc)


def _is_alike(listed: _Listed, crc: int, packed: int, size: int, extra: bytes) -> bool:
    """Whether a reader that believes what stands before a file finds what the directory lists. Some of it may be said after the file."""
    if listed.flags & _DESCRIBED_AFTER:
        return crc in (0, listed.crc) and packed in (0, _LARGE, listed.packed) and size in (0, _LARGE, listed.size)
    if (packed, size) == (_LARGE, _LARGE):
        return crc == listed.crc and list(_large_sizes(extra)) == [(listed.size, listed.packed)]
    return (crc, packed, size) == (listed.crc, listed.packed, listed.size)


def _large_sizes(extra: bytes) -> Iterator[tuple[int, int]]:
    """Unpacked and packed: programs that pack from a pipe say them as of a file above 4 GiB. Raises struct.error."""
    place = 0
    while place < len(extra):
        kind, length = _EXTRA.unpack_from(extra, place)
        place += _EXTRA.size
        if kind == _LARGE_SIZES:
            yield _SIZES64.unpack_from(extra[: place + length], place)
        place += length


def _text(listed: _Listed) -> str:
    try:
        text = listed.name.decode("utf-8" if listed.flags & _UTF8 else "ascii")
    except UnicodeDecodeError as error:
        raise BadZip("a file of it has a name that is no text") from error
    if not text or "\0" in text:
        raise BadZip("a file of it has a name that is no text")
    return text
