"""Reads tars member by member, forwards only, and refuses by name what a tar may not hold.

Written for strangers' files, since `tarfile` of Python 3.11 loops for ever on a negative size (CVE-2025-8194), takes a size that it
cannot read for 0, and remembers every member. Offsets only grow here, headers are bounded, and a header's bytes are kept, so that a member
can be copied as it was spelled. What a tar means is what `tarfile` makes of it, since that is what training loaders read with.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from demur.manifests.errors import TruncatedSource
from demur.text_rules import text_fault

BLOCK = 512
RECORD = 20 * BLOCK
"""Tars are filled up with zeros to a multiple of this."""
LONGEST_HEADER = 1 << 20
"""Bytes of one long name, or of one set of extended headers."""
MOST_HEADERS = 16
"""Extended headers before one member."""
LARGEST_MEMBER = 1 << 28
_ZEROS = bytes(BLOCK)
_REGULAR, _LONG_NAME, _LONG_LINK, _SPARSE = b"0\0" + b"7", b"L", b"K", b"S"
_EXTENDED, _GLOBAL = b"xX", b"g"
_WITHOUT_CONTENT = b"123456"  # links, devices, folders and pipes, whatever size they claim
_GNU = b"LKSDMVN"


@dataclass(frozen=True)
class TarMember:
    """One member. `offset`: where its first header begins, which `read_member` takes; `headers`: all of them, as they are spelled.

    `fault`: why what it holds is not read, "" where it is: a sparse file, a name that is no text.
    """

    name: str
    offset: int
    size: int
    is_file: bool
    headers: bytes
    fault: str = ""


@dataclass
class _Header:
    """What extended headers say about the member that follows."""

    offset: int
    spelled: list[bytes] = field(default_factory=list)
    name: bytes | None = None
    size: int | None = None
    sparse: bool = False


@contextmanager
def opened_tar(file: Path) -> Iterator["TarReader"]:
    """Raises TruncatedSource, also while it is read, for whatever is no whole tar; OSError when there is no such file."""
    with cast(IO[bytes], gzip.open(file)) if file.suffix == ".gz" else file.open("rb") as stream:
        try:
            yield TarReader(stream, str(file))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TruncatedSource(f"{file} is cut short or is not a tar.") from error


class TarReader:
    """The members of a tar, in order. Between one and the next, `read` gives the content of the one before."""

    def __init__(self, stream: IO[bytes], where: str, offset: int = 0) -> None:
        self._stream, self._where = stream, where
        self._at = offset  # of the next byte that is read
        self._content = self._next = offset  # where the member's content begins, and where the next header is
        self._member: TarMember | None = None
        self.globals: list[bytes] = []

    @property
    def position(self) -> int:
        """How far the tar is read, in bytes of the tar."""
        return self._at

    def __iter__(self) -> Iterator[TarMember]:
        while (member := self.next()) is not None:
            yield member

    def next(self) -> TarMember | None:
        """The next member; None at the tar's end mark. Raises TruncatedSource."""
        self._skip_to(self._next)
        header = _Header(self._at)
        for _ in range(MOST_HEADERS):
            block = self._take(BLOCK, "has no end mark")
            if block == _ZEROS:
                self._end()
                return None
            kind, size = self._checked(block)
            if kind in _EXTENDED or kind in _GLOBAL or kind in _LONG_NAME + _LONG_LINK:
                self._extend(header, block, kind, size)
            else:
                return self._begin(header, block, kind, size)
        raise self._damaged(f"more than {MOST_HEADERS} extended headers in a row")

    def read(self) -> bytes:
        """The whole content of the newest member, as it is stored. Raises TruncatedSource, also when it is larger than LARGEST_MEMBER."""
        if self._member is None or self._member.size > LARGEST_MEMBER:
            raise self._damaged(f"a member larger than {LARGEST_MEMBER >> 20} MiB")
        return self._content_of(self._member.size)

    def head(self, size: int) -> bytes:
        """Up to `size` bytes of the beginning of the newest member, of which nothing was read before. Raises TruncatedSource."""
        return self._content_of(min(size, self._member.size)) if self._member is not None else b""

    def _content_of(self, size: int) -> bytes:
        self._skip_to(self._content)
        return self._take(size, "ends within a member")

    def _begin(self, header: _Header, block: bytes, kind: bytes, size: int) -> TarMember:
        header.spelled.append(block)
        if kind in _SPARSE:
            header.sparse = True
            header.spelled += self._sparse_map(block)
        stored = 0 if kind in _WITHOUT_CONTENT else size if header.size is None else header.size
        self._content = self._at
        self._next = self._at + -(-stored // BLOCK) * BLOCK
        name, fault = _readable(_plain_name(block, kind) if header.name is None else header.name)
        is_file = kind in _REGULAR + _SPARSE and not (kind == b"\0" and name.endswith("/"))
        if header.sparse:
            fault = fault or "is a sparse file"
        self._member = TarMember(name, header.offset, stored, is_file, b"".join(header.spelled), fault)
        return self._member

    def _sparse_map(self, block: bytes) -> list[bytes]:
        """What follows the header of GNU's old sparse files: blocks each of which says whether another one comes."""
        blocks: list[bytes] = []
        more = block[482]
        while more:
            if len(blocks) * BLOCK >= LONGEST_HEADER:
                raise self._damaged("a sparse file of too many pieces")
            blocks.append(self._take(BLOCK, "ends within a header"))
            more = blocks[-1][504]
        return blocks

    def _extend(self, header: _Header, block: bytes, kind: bytes, size: int) -> None:
        if size > LONGEST_HEADER:
            raise self._damaged(f"a header of {size:,} bytes")
        padded = self._take(-(-size // BLOCK) * BLOCK, "ends within a header")
        data = padded[:size]
        if kind in _GLOBAL:
            if {b"path", b"size"} & self._records(data).keys():
                raise self._damaged("a global header that names or measures members")
            self.globals.append(block + padded)
            header.offset = self._at
            return
        header.spelled += [block, padded]
        if kind in _LONG_NAME:
            header.name = data.partition(b"\0")[0]
        elif kind in _EXTENDED:
            self._apply(header, self._records(data))

    def _apply(self, header: _Header, records: dict[bytes, bytes]) -> None:
        header.name = records.get(b"GNU.sparse.name", records.get(b"path", header.name))
        header.sparse |= any(key.startswith(b"GNU.sparse.") for key in records)
        if b"size" in records:
            if not records[b"size"].isdigit() or len(records[b"size"]) > 20:
                raise self._damaged(f"a size that is no number: {records[b'size'][:20]!r}")
            header.size = int(records[b"size"])

    def _records(self, data: bytes) -> dict[bytes, bytes]:
        """The records of an extended header, each "length key=value" and a line end."""
        records: dict[bytes, bytes] = {}
        at = 0
        while at < len(data) and data[at : at + 1] != b"\0":
            digits, space, _ = data[at : at + 21].partition(b" ")
            end = at + int(digits) if digits.isdigit() and space else 0
            key, equals, value = data[at + len(digits) + 1 : end - 1].partition(b"=")
            if not key or not equals or data[end - 1 : end] != b"\n" or end <= at:
                raise self._damaged("an extended header that cannot be read")
            records[key] = value
            at = end
        return records

    def _checked(self, block: bytes) -> tuple[bytes, int]:
        """The kind of header, and the size that it states."""
        if not _sums_up(block, self._number(block[148:156])):
            raise self._damaged("a header whose checksum is wrong")
        return block[156:157], self._number(block[124:136])

    def _number(self, spelled: bytes) -> int:
        """Octal digits, or GNU's binary form. Raises TruncatedSource, also for a negative number."""
        if spelled[0] in (0o200, 0o377):
            number = int.from_bytes(spelled[1:], "big")
            if spelled[0] == 0o377 or number >= 1 << 62:
                raise self._damaged("a negative size")
            return number
        digits = spelled.partition(b"\0")[0].strip()
        try:
            number = int(digits or b"0", 8)
        except ValueError:
            number = -1
        if number < 0:
            raise self._damaged(f"a number that is none: {digits!r}")
        return number

    def _end(self) -> None:
        """Nothing but zeros may follow the end mark: a second tar behind it would be read by some programs, and not by others."""
        self._member = None
        while rest := self._stream.read(1 << 20):
            self._at += len(rest)
            if rest.strip(b"\0"):
                raise self._damaged("data behind its end mark, as two tars in one file have")
        self._next = self._at

    def _take(self, size: int, ends: str) -> bytes:
        data = self._stream.read(size)
        self._at += len(data)
        if len(data) < size:
            raise TruncatedSource(f"{self._where} is cut short or is not a tar: it {ends}.")
        return data

    def _skip_to(self, offset: int) -> None:
        if offset != self._at:
            self._stream.seek(offset)
            self._at = offset

    def _damaged(self, why: str) -> TruncatedSource:
        return TruncatedSource(f"{self._where} is damaged, or is not a tar: near byte {self._at:,} it has {why}.")


def read_member(stream: IO[bytes], where: str, offset: int) -> tuple[TarMember, bytes] | None:
    """The member whose first header begins at `offset`, and its content; None where no file is there. Raises TruncatedSource."""
    stream.seek(offset)
    reader = TarReader(stream, where, offset)
    member = reader.next()
    return None if member is None or not member.is_file or member.fault else (member, reader.read())


def padded(content: bytes) -> bytes:
    """A member's content as it stands in a tar."""
    return content + bytes(-len(content) % BLOCK)


def _sums_up(block: bytes, stated: int) -> bool:
    """Whether the bytes of a header give its checksum: as unsigned bytes or, as some old programs made it, as signed ones."""
    counted = block[:148] + block[156:]
    unsigned = 8 * 32 + sum(counted)
    return stated == unsigned or stated == unsigned - 256 * sum(byte > 127 for byte in counted)


def _plain_name(block: bytes, kind: bytes) -> bytes:
    name, prefix = block[:100].partition(b"\0")[0], block[345:500].partition(b"\0")[0]
    return prefix + b"/" + name if prefix and kind not in _GNU else name


def _readable(name: bytes) -> tuple[str, str]:
    """The name, and what is wrong with it. One that is no text is shown with escapes."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return name.decode(errors="backslashreplace"), "has a name that is not UTF-8 text"
    fault = text_fault(text, "path")
    return text, f"has a name that {fault}" if fault else ""
