"""What is to be verified: files, the files that a list directory or an evidence bundle stands for, or bytes in memory."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demur.errors import DemurError
from demur.exclusions.rotation import ROTATIONS_FILE
from demur.exclusions.writer import HEAD_FILE

_MOST_FILES = 200_000
_MOST_BYTES = 1 << 30  # of all files of a bundle together, unpacked
_TOLD_ONLY = ("README.txt", "keys.txt")  # for the person who opens a bundle; nothing in them is proved


class BadBundle(DemurError):
    """The zip file is damaged, or holds more than a bundle of evidence does."""


@dataclass(frozen=True)
class Document:
    """A name to speak of it by, and its bytes or where they lie; a directory stands for the newest entries of the list there."""

    name: str
    place: Path | bytes

    def read(self) -> bytes:
        """All of it. Raises OSError."""
        return self.place.read_bytes() if isinstance(self.place, Path) else self.place

    def begins(self, start: bytes) -> bool:
        """False also for what cannot be read."""
        if isinstance(self.place, bytes):
            return self.place.startswith(start)
        try:
            with open(self.place, "rb") as opened:
                return opened.read(len(start)) == start
        except OSError:
            return False


def documents_of(path: Path) -> list[Document]:
    """A file; a list directory's key rotations, its newest head and, as itself, its entries; the files of a bundle. Raises BadBundle."""
    if path.is_dir():
        rotations = [path / ROTATIONS_FILE] if (path / ROTATIONS_FILE).exists() else []
        return [Document(str(file), file) for file in (*rotations, path / HEAD_FILE, path)]
    if Document(str(path), path).begins(b"PK\x03\x04"):
        return list(_unpacked(path))
    return [Document(str(path), path)]


def _unpacked(path: Path) -> Iterator[Document]:
    try:
        with zipfile.ZipFile(path) as bundle:
            files = [info for info in bundle.infolist() if not info.is_dir() and info.filename not in _TOLD_ONLY]
            if len(files) > _MOST_FILES or sum(info.file_size for info in files) > _MOST_BYTES:
                raise BadBundle(f"{path} holds more than a bundle of evidence does")
            for info in files:
                yield Document(f"{path.name}/{info.filename}", bundle.read(info))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise BadBundle(f"{path} is not a whole zip file: {error}") from error
