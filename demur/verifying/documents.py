"""What is to be verified: files, the files that a list directory or an evidence bundle stands for, or bytes in memory."""

import mmap
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path

from demur.digests import NotJson, parse_json
from demur.exclusions.rotation import ROTATIONS_FILE
from demur.exclusions.writer import HEAD_FILE
from demur.verifying.findings import BadBundle, TooLarge
from demur.verifying.zips import BadZip, Packed, TooManyFiles, ZippedFile, files_of, has_end

MOST_BYTES = 8_000_000  # of one signed document or proof: an opt-out of 80,000 photos is stated in them
_CAPTIONS = "photos.json"
_MOST_CAPTION_BYTES = 2_000_000
_TOLD_ONLY = ("README.txt", "keys.txt", _CAPTIONS)  # for the person who opens a bundle; nothing in them is proved
_BY_COMMAND = "Use the demur command for it."
_WHOLE = "Get the bundle again: it was damaged on its way, or made by another program."


@dataclass(frozen=True)
class BundleLimits:
    """How much a zip file may unpack to before anything of it is read."""

    members: int
    total_bytes: int

    def without(self, files: Sequence[ZippedFile]) -> "BundleLimits":
        """What is left of it after these."""
        return BundleLimits(self.members - len(files), self.total_bytes - sum(file.size for file in files))


ON_A_COMPUTER = BundleLimits(members=200_000, total_bytes=1 << 30)


@dataclass(frozen=True)
class Member:
    """A file of a bundle, unpacked only when it is read, and never further than the bundle's directory says."""

    bundle: Packed
    file: ZippedFile

    def beginning(self, length: int) -> bytes:
        """Its first bytes, unchecked. Raises BadBundle."""
        with _as_bad_bundle():
            return self.file.beginning(self.bundle, length)

    def content(self) -> bytes:
        """All of it, as long and with the checksum that the directory says. Raises BadBundle."""
        with _as_bad_bundle():
            return self.file.content(self.bundle)


@contextmanager
def _as_bad_bundle() -> Iterator[None]:
    """A damaged zip file is one that could not be checked."""
    try:
        yield
    except TooManyFiles as error:
        raise BadBundle(str(error), _BY_COMMAND) from error
    except BadZip as error:
        raise BadBundle(str(error), _WHOLE) from error


@dataclass(frozen=True)
class Document:
    """A name to speak of it by, and its bytes or where they are; a directory is the newest entries of the list in it."""

    name: str
    place: Path | bytes | Member | BadBundle

    def read(self, most: int = MOST_BYTES) -> bytes:
        """All of it, which is at most so many bytes. Raises TooLarge, BadBundle, OSError."""
        member = self.place if isinstance(self.place, Member) else None
        size = member.file.size if member else len(data := self._beginning(most + 1))
        if size > most:
            raise TooLarge(f"it is larger than {most:,} bytes, which no file of this kind is", "Give the file as it was downloaded.")
        return member.content() if member else data

    def open(self) -> BufferedReader | BytesIO:
        """For kinds of any size. Raises BadBundle, OSError."""
        return open(self.place, "rb") if isinstance(self.place, Path) else BytesIO(self.read())

    def begins(self, *starts: bytes) -> bool:
        """Whether it begins with one of these; False also for what cannot be read."""
        beginning = self.beginning(max(map(len, starts)))
        return beginning is not None and beginning.startswith(starts)

    def beginning(self, length: int) -> bytes | None:
        """Its first bytes; None of what cannot be read."""
        try:
            return self._beginning(length)
        except (OSError, BadBundle):
            return None

    def _beginning(self, length: int) -> bytes:
        if isinstance(self.place, BadBundle):
            raise self.place
        if isinstance(self.place, bytes):
            return self.place[:length]
        if isinstance(self.place, Member):
            return self.place.beginning(length)
        with open(self.place, "rb") as opened:
            return opened.read(length)


@dataclass(frozen=True)
class Unpacked:
    """``documents`` to be checked. Of bundles besides: all their ``files``, and those of ``captions``, at most one a bundle and unread."""

    documents: Sequence[Document]
    files: Sequence[ZippedFile] = ()
    captions: Sequence[Member] = ()


def documents_of(path: Path) -> Iterator[Document]:
    """What a given path stands for: the file itself, the files of a bundle, or a list's key rotations, newest head and its entries.

    A bundle that cannot be read is one document, which then could not be checked.
    """
    if path.is_dir():
        rotations = [path / ROTATIONS_FILE] if (path / ROTATIONS_FILE).exists() else []
        return (Document(str(file), file) for file in (*rotations, path / HEAD_FILE, path))
    return iter(unpacked(Document(str(path), path), ON_A_COMPUTER).documents)


def all_unpacked(documents: Iterable[Document], limits: BundleLimits) -> Unpacked:
    """The same of several documents, whose bundles have to keep within ``limits`` together."""
    whole = Unpacked([])
    for document in documents:
        one = unpacked(document, limits.without(whole.files))
        whole = Unpacked([*whole.documents, *one.documents], [*whole.files, *one.files], [*whole.captions, *one.captions])
    return whole


def unpacked(document: Document, limits: BundleLimits) -> Unpacked:
    """The files of a bundle that something is proved by, or the document itself where it is no bundle.

    A bundle of none such is one document, which could not be checked: nothing in it says anything.
    """
    if not _is_zip(document):
        return Unpacked([document])
    try:
        return _members(document, limits)
    except BadBundle as error:
        return Unpacked([Document(document.name, error)])


def captions_in(file: Member, photos: Collection[str]) -> dict[str, str]:
    """By uid, what a bundle says that these photos show. Nobody signed it: it helps to recognise them, and proves nothing."""
    try:
        told = parse_json(file.content())
    except (BadBundle, NotJson):
        return {}
    entries = told if isinstance(told, dict) else {}
    return {uid: caption for uid in photos if isinstance(caption := entries.get(uid), str) and caption}


def _is_zip(document: Document) -> bool:
    """By its first bytes, or by its end where other bytes come before it."""
    if document.begins(b"PK\x03\x04", b"PK\x05\x06"):
        return True
    if not document.name.lower().endswith(".zip") or not isinstance(document.place, Path | bytes):
        return False
    try:
        return has_end(_in_memory(document))
    except (OSError, ValueError):
        return False


def _in_memory(document: Document) -> Packed:
    """Raises ValueError for an empty file, OSError."""
    if isinstance(document.place, bytes):
        return document.place
    with open(str(document.place), "rb") as opened:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)


def _members(document: Document, limits: BundleLimits) -> Unpacked:
    """Raises BadBundle."""
    try:
        bundle = _in_memory(document)
    except (ValueError, OSError) as error:
        raise BadBundle(f"it is not a whole zip file: {error}", _WHOLE) from error
    with _as_bad_bundle():
        listed = files_of(bundle, limits.members)
    _refuse_unusual(listed, limits)
    files = [file for file in listed if not file.name.endswith("/") and file.name not in _TOLD_ONLY]
    if not files:
        raise BadBundle("nothing in it can be checked: it holds no receipt, proof or signed file", "Give the whole bundle, or its files.")
    short = Path(document.name).name
    captions = [Member(bundle, file) for file in listed if file.name == _CAPTIONS and file.size <= _MOST_CAPTION_BYTES]
    return Unpacked([Document(f"{short}/{file.name}", Member(bundle, file)) for file in files], listed, captions)


def _refuse_unusual(files: list[ZippedFile], limits: BundleLimits) -> None:
    """Raises BadBundle."""
    total = sum(file.size for file in files)
    if total > limits.total_bytes:
        much = f"it holds {total:,} bytes, and no more than {limits.total_bytes:,} are unpacked here"
        raise BadBundle(much, _BY_COMMAND)
    if len({file.name for file in files}) != len(files):
        raise BadBundle("it holds two files of one name, so nobody can say which one is meant", _WHOLE)
