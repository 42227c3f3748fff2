"""Reads one picture from where its manifest keeps it: a file, or a member of a tar at a known offset.

`shard` is a path relative to the source's root; for a tar, `row` is the offset of the member's header.
"""

import gzip
import re
import threading
import unicodedata
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, cast
from urllib.parse import unquote

from demur.exclusions.columns import plain_path
from demur.manifests.errors import PictureFileTooLarge, PictureMissing, TruncatedSource
from demur.manifests.sources.tar import read_member
from demur.similarity.tidying import without_lead

MAX_BYTES = 1 << 28
"""Of a picture's file, and of what a compressed tar holds of it: it is read into memory whole."""
PICTURE_SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".webp", ".gif", ".tif", ".tiff", ".avif", ".bmp"}
    | {".heic", ".heif", ".jxl", ".jp2", ".j2k", ".j2c", ".jpx", ".jpf", ".jxr", ".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm"}
    | {".tga", ".ico", ".cur", ".icns", ".pcx", ".dds", ".sgi", ".psd", ".exr", ".qoi", ".dib"}
)
"""File names taken for pictures. Some are of formats without a fingerprint: those rows are reported, not passed over."""
SNIFFED_BYTES = 64
"""So many bytes of a file's beginning say whether it is a picture, whatever its name."""
_NETPBM = re.compile(rb"P[1-6]\s(?:#[^\n]*\n|\s)*\d+\s+\d+\s")
_BEGINNINGS = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    *(b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"\0\0\1\0", b"DDS ", b"qoif", b"8BPS"),
)
_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"miaf", b"MiHB"})
TABLE_SUFFIXES = frozenset({".parquet", ".csv", ".tsv", ".jsonl", ".ndjson"})


def suffix(name: str) -> str:
    """The lower-case suffix of a path, without a trailing .gz."""
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix == ".gz" else path.suffix


def is_picture(name: str, content: bytes) -> bool:
    """Whether a file is a picture, by the end of its name or by how its content begins: `photo.jpg_large`, `photo.img`, `photo`."""
    return suffix(name) in PICTURE_SUFFIXES or begins_as_picture(content)


def begins_as_picture(content: bytes) -> bool:
    """Whether the first `SNIFFED_BYTES` of a file are those of a picture that some browser or training loader shows."""
    head = without_lead(content[:SNIFFED_BYTES])
    if head.startswith(_BEGINNINGS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or (head[4:8] == b"ftyp" and head[8:12] in _BRANDS):
        return True
    return (head[:2] == b"BM" and head[6:10] == bytes(4)) or bool(_NETPBM.match(head))


def has_pictures(shard: str) -> bool:
    """Whether rows of this shard have a picture that `read_picture` can read."""
    return suffix(shard) not in TABLE_SUFFIXES


def is_inside(root: Path, relative: str) -> bool:
    """Whether a path from a manifest stays within the manifest's folder, also through symbolic links. No loop of links does."""
    try:
        return (root / relative).resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, a loop
        return False


def find_file(root: Path, spelled: str) -> str | None:
    """The path of a regular file within `root` that a manifest's path means, or None.

    As it is spelled; else without `x/../`, with slashes for backslashes, without URL escapes, or with its letters composed or decomposed,
    as the programs and disks it came through left it.
    """
    if is_inside(root, spelled) and is_regular(root / spelled):
        return spelled
    slashed = spelled.replace("\\", "/")
    spellings = (spelled, plain_path(spelled), slashed, unquote(slashed))
    tried = (*spellings[1:], *(unicodedata.normalize(form, each) for each in spellings for form in ("NFC", "NFD")))
    return next((path for path in dict.fromkeys(tried) if is_inside(root, path) and is_regular(root / path)), None)


def is_regular(path: Path) -> bool:
    """Whether there is a plain file, or a link to one: no pipe, no device, no loop of links, no name that no disk could hold."""
    try:
        return path.is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def is_directory(path: Path) -> bool:
    """Whether there is a directory, or a link to one; not a loop of links."""
    try:
        return path.is_dir()
    except (OSError, ValueError, RuntimeError):
        return False


def read_picture(root: Path, shard: str, row: int) -> bytes:
    """The encoded picture of one row. Raises PictureMissing, PictureFileTooLarge."""
    missing = f"The picture {shard} is not in {root}."
    if not has_pictures(shard) or not is_inside(root, shard):
        raise PictureMissing(missing)
    try:
        return _read_member(root / shard, row) if suffix(shard) == ".tar" else _read_file(root / shard)
    except (OSError, EOFError, zlib.error, TruncatedSource) as error:
        raise PictureMissing(missing) from error


def _read_file(path: Path) -> bytes:
    if not path.is_file():  # a pipe would be waited for without end
        raise PictureMissing(f"{path} is no file.")
    _require_small(path.stat().st_size)
    return path.read_bytes()


def _require_small(size: int) -> None:
    if size > MAX_BYTES:
        raise PictureFileTooLarge(f"This picture's file is larger than {MAX_BYTES >> 20} MiB.")


def _read_member(path: Path, offset: int) -> bytes:
    if path.suffix == ".gz":
        found = read_member(_FORWARD.at(path), str(path), offset)
    else:
        with path.open("rb") as file:
            found = read_member(file, str(path), offset)
    if found is None:
        raise PictureMissing(f"The tar {path} has no picture at offset {offset}.")
    return found[1]


class _Forward(threading.local):
    """The compressed tar that this thread read last, still open: whoever asks for its members in their order reads it once."""

    identity: tuple[str, int, int, int] | None = None
    stream: gzip.GzipFile

    def at(self, path: Path) -> IO[bytes]:
        status = path.stat()
        identity = str(path), status.st_ino, status.st_size, status.st_mtime_ns
        if identity != self.identity:
            if self.identity is not None:
                self.stream.close()
            self.identity = None
            self.stream = gzip.open(path)  # noqa: SIM115  # stays open: that is what this is for
            self.identity = identity
        return cast(IO[bytes], self.stream)


_FORWARD = _Forward()
