"""Entries of an exclusion list: what they mean, and their one byte form (docs/formats/exclusion-list.md)."""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from json.encoder import encode_basestring

from demur.errors import DemurError


class KeyKind(StrEnum):
    """By what an entry excludes."""

    UID = "uid"
    SHA256 = "sha256"
    PHASH = "phash"
    URL = "url"
    OWNER = "owner"


class ChangeOp(StrEnum):
    """What a delta does with an entry."""

    ADD = "add"
    REMOVE = "remove"


class BadEntry(DemurError, ValueError):
    """The key is not of the form that its kind demands."""


class UnknownWord(DemurError, ValueError):
    """A kind of key, or an operation of a delta, that this program does not know."""


_KEY_FORM = {KeyKind.SHA256: re.compile("[0-9a-f]{64}"), KeyKind.PHASH: re.compile("[0-9a-f]{16}")}
_PDQ_FORM = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, order=True, slots=True)
class Entry:
    """Excludes every sample whose `kind` is `key`. Sorts by (kind, key, pdq), by code point: the canonical order.

    `key`: 64 hex digits for sha256, 16 for phash, any non-empty text for uid, url and owner. `pdq`: 64 hex digits for phash (its quality
    is at least 50, which the writer vouches for), else empty. Raises BadEntry.
    """

    kind: KeyKind
    key: str
    pdq: str = ""

    def __post_init__(self) -> None:
        form = _KEY_FORM.get(self.kind)
        if not (form.fullmatch(self.key) if form else self.key):
            raise BadEntry(f"{self.key!r} is not a {self.kind} key")
        if not (_PDQ_FORM.fullmatch(self.pdq) if self.kind is KeyKind.PHASH else self.pdq == ""):
            raise BadEntry(f"{self.pdq!r} is not a pdq for a {self.kind} entry")

    def __hash__(self) -> int:
        return hash(self.key)  # the kind adds little, and hashing an enum member is slow

    @property
    def order(self) -> tuple[str, str, str]:
        """The canonical order as plain text, several times faster to compare than entries are."""
        return self.kind.value, self.key, self.pdq

    @property
    def leaf(self) -> bytes:
        """The leaf of the Merkle tree: canonical JSON of [kind, key, pdq]. Raises BadEntry when the key is no Unicode text."""
        try:
            return f'["{self.kind}",{encode_basestring(self.key)},"{self.pdq}"]'.encode()
        except UnicodeEncodeError as error:
            raise BadEntry(f"{self.key!r} holds a lone surrogate") from error


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a delta."""

    op: ChangeOp
    entry: Entry


@dataclass(frozen=True)
class FileDigest:
    """SHA-256 (hex) and length of a file, so that nothing is parsed that was not signed."""

    sha256: str
    size: int

    @classmethod
    def of(cls, data: bytes) -> "FileDigest":
        return cls(hashlib.sha256(data).hexdigest(), len(data))
