"""The rules by which a reader accepts a manifest's vectors. Pure: bytes, values and the clock come in, an error goes out.

In order: signature, form, manifest, rollback, fork, expiry; then of the files: digest, form, shards, counts. Errors that say the same as
for the list are the list's own (demur.exclusions.trusted).
"""

from collections.abc import Collection
from datetime import datetime

from pyroaring import FrozenBitMap

from demur import signing
from demur.exclusions.entries import FileDigest
from demur.exclusions.rotation import Keyring
from demur.exclusions.trusted import BadRotation, BadSignature, Expired, Fork, ListRefused, Rollback, Trusted, UnknownKey, WrongDigest
from demur.fields import rfc3339
from demur.vectors.head import PAYLOAD_TYPE, BadVectorsHead, VectorsHead
from demur.vectors.tables import DELETIONS_SCHEMA, SHARDS_SCHEMA, BadVectors, Table


class OtherManifest(ListRefused):
    """These are the vectors of another manifest than the one that was asked for."""


class OtherRows(ListRefused):
    """A shard has other rows than those that the vectors were made for."""


def open_head(envelope: bytes, keys: Keyring) -> VectorsHead:
    """The head inside an envelope signed by the list's key, that of the list version it speaks of or a later one.

    Raises BadVectors, UnknownKey, BadSignature, BadRotation.
    """
    head = _opened(envelope, keys.keys)
    first = keys.keys.index(keys.key_of(head.list.version))  # who got hold of an older key can sign nothing newer by it
    if any(rotation.list_id != head.list.list_id for rotation in keys.rotations):
        raise BadRotation(f"the key rotations are not those of the list {head.list.list_id!r}")
    return _opened(envelope, keys.keys[first:])


def _opened(envelope: bytes, keys: Collection[signing.VerifyKey]) -> VectorsHead:
    try:
        return VectorsHead.parse(signing.open_envelope(envelope, PAYLOAD_TYPE, keys).payload)
    except signing.UnknownKey as error:
        raise UnknownKey(f"the vectors' head is {error}") from error
    except signing.BadSignature as error:
        raise BadSignature(f"the vectors' head is not genuine: {error}") from error
    except (signing.BadEnvelope, BadVectorsHead) as error:
        raise BadVectors(f"the vectors' head is unreadable: {error}") from error


def accept(trusted: Trusted | None, head: VectorsHead, manifest: str, now: datetime) -> Trusted:
    """What to trust after seeing `head` as the newest of the manifest of this name. Raises OtherManifest, Fork, Rollback, Expired."""
    used = head.list
    if head.manifest.name != manifest:
        raise OtherManifest(f"these are the deletion vectors of the manifest {head.manifest.name!r}, not of {manifest!r}")
    if trusted is not None:
        _refuse_other_history(trusted, head)
    if now >= used.expires_at:
        raise Expired(f"version {used.version} of the list expired at {rfc3339(used.expires_at)}; the operator must publish a newer one")
    return Trusted(used.list_id, used.version, used.root)


def _refuse_other_history(trusted: Trusted, head: VectorsHead) -> None:
    used = head.list
    if used.list_id != trusted.list_id:
        raise Fork(f"the vectors are of the list {used.list_id!r}, but {trusted.list_id!r} was trusted here before")
    if used.version < trusted.version:
        raise Rollback(f"the vectors are of version {used.version} of the list, but version {trusted.version} was seen before")
    if used.version == trusted.version and used.root != trusted.root:
        raise Fork(f"the vectors are of another version {used.version} of the list than the one last seen")


def open_shards(data: bytes, head: VectorsHead) -> Table:
    """The manifest's shards. Raises WrongDigest, BadVectors, OtherRows."""
    shards = Table(_signed(data, head.shards, "shards"), SHARDS_SCHEMA)
    if shards.total != head.manifest.rows:
        raise OtherRows(f"the shards have {shards.total} rows, but the manifest {head.manifest.name} has {head.manifest.rows}")
    return shards


def open_deletions(data: bytes, head: VectorsHead, shards: Table) -> Table:
    """What is deleted of them. Raises WrongDigest, BadVectors, OtherRows."""
    deletions = Table(_signed(data, head.deletions, "deletions"), DELETIONS_SCHEMA)
    unknown = next((shard for shard in deletions.shards if shard not in shards), None)
    if unknown is not None or deletions.total != head.deleted:
        raise OtherRows(f"rows are deleted that the manifest {head.manifest.name} has not: {unknown or deletions.total}")
    return deletions


def open_places(shards: Table, shard: str) -> FrozenBitMap:
    """Where a shard's registered rows stand. Raises UnknownShard, BadBitmap, OtherRows."""
    places = shards.places(shard)
    if not 0 < len(places) <= shards.number(shard):
        raise OtherRows(f"the shard {shard!r} has {len(places)} places for {shards.number(shard)} rows")
    return places


def open_deleted(shards: Table, deletions: Table, shard: str) -> FrozenBitMap:
    """Which of a shard's places are deleted. Raises UnknownShard, BadBitmap, OtherRows."""
    places = open_places(shards, shard)
    if shard not in deletions:
        return FrozenBitMap()
    deleted = deletions.places(shard)
    if len(deleted) != deletions.number(shard) or not deleted <= places:
        raise OtherRows(f"of the shard {shard!r} other places are deleted than it has, or another number of them than was said")
    return deleted


def _signed(data: bytes, expected: FileDigest, name: str) -> bytes:
    if FileDigest.of(data) != expected:
        raise WrongDigest(f"the vectors' file of {name} is not the one that was signed: it was changed or cut short")
    return data
