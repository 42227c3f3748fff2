"""The rules by which a reader accepts a version of an exclusion list. Pure: bytes, values and the clock come in, an error goes out.

In order: signature, form, rollback, fork, expiry; then for the entries: digest, form, key kinds, order, count, root. Whoever breaks any
rule stops the run: the reader fails closed.
"""

import hashlib
import io
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import BinaryIO, TypeVar

import pyarrow as pa

from demur import signing
from demur.errors import Refused
from demur.exclusions.delta import Delta, Misfit
from demur.exclusions.entries import BadEntry, FileDigest, UnknownWord
from demur.exclusions.head import PAYLOAD_TYPE, BadHead, Head, UnknownKind
from demur.exclusions.parquet import TooLarge, TooMany
from demur.exclusions.table import BadOrder, EntryTable
from demur.fields import rfc3339

_Rows = TypeVar("_Rows")
# Times the size of a file, and bytes: more than lists take. A signature is no bound, since its maker may be the attacker; but a list that
# is refused stops a training, so the bound of signed files is far wider.
_UNPACKED, _UNPACKED_SIGNED, _UNPACKED_AT_LEAST = 32, 256, 1 << 24


class ListRefused(Refused):
    """The exclusion list cannot be trusted or read; nothing may be trained on its word."""


class Unreachable(ListRefused):
    """A file of the list could not be fetched."""


class BadSignature(ListRefused, signing.BadSignature):
    """The head was changed after signing, or signed by someone else under the same key name."""


class UnknownKey(ListRefused, signing.UnknownKey):
    """The head is not signed by the key that the reader was given."""


class BadListFormat(ListRefused):
    """A file of the list has not the form that docs/formats/exclusion-list.md demands."""


class UnknownKeyKind(ListRefused):
    """The list excludes by a kind of key that this program cannot apply."""


class Rollback(ListRefused):
    """The list offers an older version than one already trusted."""


class Fork(ListRefused):
    """The list offers another history than the one already trusted."""


class Gap(ListRefused):
    """The deltas do not lead from the trusted version to the newest."""


class BadRotation(ListRefused):
    """The list's key rotations are not signed by both keys, or do not follow each other."""


class KeyTakenBack(ListRefused):
    """The list offers other keys than the one that was reached before: an older key may be in the wrong hands."""


class Expired(ListRefused):
    """The newest version offered is too old to be relied on."""


class WrongDigest(ListRefused):
    """A file is not the one whose digest was signed."""


class WrongCount(ListRefused):
    """The entries are not as many as the head says."""


class WrongRoot(ListRefused):
    """The entries do not have the Merkle root that was signed."""


@dataclass(frozen=True)
class ReachedKey:
    """A key of a list, and how many rotations led to it."""

    number: int
    key: signing.VerifyKey


@dataclass(frozen=True)
class Trusted:
    """The highest version that a reader has accepted; kept between invocations so that rollback and fork are seen.

    `key`: the newest key that the list's rotations led to; None where no rotations are followed.
    """

    list_id: str
    version: int
    root: str
    key: ReachedKey | None = None

    @classmethod
    def of(cls, head: Head) -> "Trusted":
        return cls(head.list_id, head.version, head.root)


def open_head(envelope: bytes, keys: Collection[signing.VerifyKey]) -> Head:
    """The head inside a signed envelope. Raises BadListFormat, UnknownKey, BadSignature, UnknownKeyKind."""
    try:
        return Head.parse(signing.open_envelope(envelope, PAYLOAD_TYPE, keys).payload)
    except signing.UnknownKey as error:
        raise UnknownKey(f"the list's head is {error}") from error
    except signing.BadSignature as error:
        raise BadSignature(f"the list's head is not genuine: {error}") from error
    except UnknownKind as error:
        raise UnknownKeyKind(str(error)) from error
    except (signing.BadEnvelope, BadHead) as error:
        raise BadListFormat(f"the list's head is unreadable: {error}") from error


def accept(trusted: Trusted | None, head: Head, now: datetime) -> Trusted:
    """What to trust after seeing `head` as the newest. Raises Fork, Rollback, Expired."""
    if trusted is not None:
        _refuse_other_history(trusted, head)
    if now >= head.expires_at:
        raise Expired(f"version {head.version} of the list expired at {rfc3339(head.expires_at)}; the operator must publish a newer one")
    return Trusted.of(head)


def _refuse_other_history(trusted: Trusted, head: Head) -> None:
    if head.list_id != trusted.list_id:
        raise Fork(f"this is the list {head.list_id!r}, but {trusted.list_id!r} was trusted here before")
    if head.version < trusted.version:
        raise Rollback(f"the list offers version {head.version}, but version {trusted.version} was seen before")
    if head.version == trusted.version and head.root != trusted.root:
        raise Fork(f"version {head.version} of the list has other entries than when it was last seen")
    if head.previous_version == trusted.version and head.previous_root != trusted.root:
        raise Fork(f"version {head.version} of the list does not continue the version {trusted.version} that was last seen")


def follow(before: Trusted, head: Head) -> Trusted:
    """What to trust after the delta of `head` is applied on `before`; expiry is judged on the newest head only. Raises Gap."""
    if (head.list_id, head.previous_version, head.previous_root) != (before.list_id, before.version, before.root):
        raise Gap(f"version {head.version} of the list does not follow on version {before.version}")
    return Trusted.of(head)


def open_whole(file: BinaryIO, head: Head) -> EntryTable:
    """The entries in the whole file of the version that has one, as signed; `check_entries` says whether they are that version's.

    Nothing is unpacked beyond the entries that the head counts. Raises WrongDigest, BadListFormat, WrongCount, UnknownKeyKind.
    """
    digest = hashlib.sha256()
    for piece in iter(partial(file.read, 1 << 20), b""):
        digest.update(piece)
    if (digest.hexdigest(), file.tell()) != (head.entries.sha256, head.entries.size):
        raise WrongDigest(f"the entries file of version {head.entries.version} is not the one that was signed: it was changed or cut short")
    most_bytes = _UNPACKED_AT_LEAST + _UNPACKED_SIGNED * head.entries.size
    return _parsed(lambda opened: EntryTable.read(opened, most=head.total, most_bytes=most_bytes), file)


def open_delta(data: bytes, head: Head) -> Delta:
    """The changes that made a version. Raises WrongDigest, BadListFormat, UnknownKeyKind, WrongCount."""
    if FileDigest.of(data) != head.delta:
        raise WrongDigest(f"the delta file of version {head.version} is not the one that was signed: it was changed or cut short")
    most, most_bytes = head.added + head.removed, _UNPACKED_AT_LEAST + _UNPACKED_SIGNED * len(data)
    delta = _parsed(lambda opened: Delta.read(opened, most=most, most_bytes=most_bytes), io.BytesIO(data))
    if (delta.added, delta.removed) != (head.added, head.removed):
        raise WrongCount(f"the delta of version {head.version} does not add {head.added} and remove {head.removed} entries")
    return delta


def open_unsigned_delta(file: BinaryIO, before: Head, head: Head, size: int) -> Delta | None:
    """The changes from one version to another, in a file of `size` bytes. Nobody signed them: what they lead to must stand `check_entries`,
    and nothing of them is unpacked that takes more memory than such a file can need; then None.

    Raises BadListFormat, WrongCount, UnknownKeyKind.
    """
    most_bytes = _UNPACKED_AT_LEAST + _UNPACKED * size

    def read(opened: BinaryIO) -> Delta | None:
        try:
            return Delta.read(opened, most=before.total + head.total, most_bytes=most_bytes)
        except TooLarge:
            return None

    return _parsed(read, file)


def join_deltas(earlier: Delta, later: Delta, version: int) -> Delta:
    """Two deltas in a row as one; `version`: that of the later one. Raises Gap when they do not fit."""
    try:
        return earlier.then(later)
    except Misfit as error:
        raise Gap(f"the delta of version {version} does not fit the one before it: {error}") from error


def apply_delta(entries: EntryTable, delta: Delta, version: int) -> EntryTable:
    """The entries after a delta. Raises Gap when an entry to add is there already, or one to remove is not."""
    try:
        return delta.applied(entries)
    except Misfit as error:
        raise Gap(f"the delta of version {version} does not fit the entries before it: {error}") from error


def check_entries(entries: EntryTable, head: Head) -> None:
    """Raises WrongCount, WrongRoot."""
    check_root(entries, entries.root(), head)


def check_root(entries: EntryTable, root: str, head: Head) -> None:
    """The same where the entries' root (hex) is reckoned already. Raises WrongCount, WrongRoot."""
    if len(entries) != head.total or entries.counts != head.counts:
        raise WrongCount(f"version {head.version} of the list has {len(entries)} entries, but its head counts {head.total} or other kinds")
    if root != head.root:
        raise WrongRoot(f"the entries of version {head.version} are not those that were signed")


def _parsed(read: Callable[[BinaryIO], _Rows], file: BinaryIO) -> _Rows:
    try:
        file.seek(0)
        return read(file)
    except BadEntry as error:
        raise BadListFormat(f"the list holds a malformed entry: {error}") from error
    except BadOrder as error:
        raise BadListFormat(f"the list's Parquet file is not as it must be: {error}") from error
    except TooMany as error:
        raise WrongCount(f"the list's Parquet file does not have the entries that its head counts: {error}") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # pyarrow decodes the names of columns itself
        raise BadListFormat(f"the list's Parquet file is unreadable: {error}") from error
    except UnknownWord as error:
        raise UnknownKeyKind(f"the list holds {error}, which this version of demur cannot apply") from error
