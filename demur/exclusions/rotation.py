"""Key rotation: a list's new key is announced by the old one, so that a reader given any of its keys knows which one signs which version.

Pure, but for `announce`. Format: docs/formats/exclusion-list.md.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from demur import signing
from demur.digests import canonical_json, parse_canonical
from demur.errors import DemurError
from demur.exclusions.head import Head
from demur.exclusions.trusted import BadRotation, KeyTakenBack, ReachedKey, UnknownKey, open_head
from demur.fields import count, text
from demur.files import atomic_write
from demur.signing import SigningKey, VerifyKey, open_cosigned, peek_envelope

FORMAT = "demur-key-rotation/1"
PAYLOAD_TYPE = "application/vnd.demur.key-rotation+json"
ROTATIONS_FILE = "rotations.json"
ROTATIONS_LIMIT = 1 << 20
_MOST_VALUES = 1000  # of one rotation: six, and commas in names
_FIELDS = {"format", "list_id", "number", "old_key", "new_key", "from_version"}


class RotationRefused(DemurError, ValueError):
    """A new key cannot be announced like that."""


@dataclass(frozen=True)
class Rotation:
    """From `from_version` on the new key signs, and it only. `number` counts the rotations of a list from 1."""

    list_id: str
    number: int
    old: VerifyKey
    new: VerifyKey
    from_version: int

    def envelope(self, old: SigningKey, new: SigningKey) -> bytes:
        """Signed by the old key, then by the new one."""
        fields = {
            "format": FORMAT,
            "list_id": self.list_id,
            "number": self.number,
            "old_key": str(self.old),
            "new_key": str(self.new),
            "from_version": self.from_version,
        }
        return new.cosign(old.sign(canonical_json(fields), PAYLOAD_TYPE))

    @classmethod
    def open(cls, envelope: bytes) -> Self:
        """A rotation that both of its keys have signed. Raises BadRotation."""
        try:
            rotation = cls._parse(peek_envelope(envelope)[1])
            open_cosigned(envelope, PAYLOAD_TYPE, rotation.old, rotation.new)
        except (signing.SigningError, ValueError, TypeError, KeyError) as error:
            raise BadRotation(f"the list's key rotations are unreadable: {error}") from error
        return rotation

    @classmethod
    def _parse(cls, payload: bytes) -> Self:
        told = parse_canonical(payload, _MOST_VALUES)
        if set(told) != _FIELDS or told["format"] != FORMAT:
            raise ValueError(f"a rotation is not of the format {FORMAT}")
        old, new = VerifyKey.parse(text(told["old_key"])), VerifyKey.parse(text(told["new_key"]))
        return cls(text(told["list_id"]), count(told["number"]), old, new, count(told["from_version"]))


@dataclass(frozen=True)
class Keyring:
    """The keys of a list in the order in which they followed each other, and what the rotations between them say.

    Holds the given key alone where none was ever rotated.
    """

    keys: tuple[VerifyKey, ...]
    rotations: tuple[Rotation, ...] = ()

    @classmethod
    def of(cls, given: VerifyKey, rotations: bytes | None) -> Self:
        """All keys of the list that the given one leads to, forwards and backwards; `rotations`: the file's bytes, None without a file.

        Raises BadRotation when the rotations do not follow each other, UnknownKey when the given key is none of theirs.
        """
        ring = cls.read(rotations) if rotations is not None else cls((given,))
        if given not in ring.keys:
            raise UnknownKey(f"the key {given.key_id} was given as trusted, but the list was never signed by it")
        return ring

    @classmethod
    def read(cls, rotations: bytes) -> Self:
        """The keys that a file of rotations speaks of, none of which needs to be trusted. Raises BadRotation."""
        followed = read_rotations(rotations)
        return cls((followed[0].old, *(rotation.new for rotation in followed)), followed)

    @property
    def reached(self) -> ReachedKey:
        """The newest key."""
        return ReachedKey(len(self.rotations), self.keys[-1])

    def keep(self, reached: ReachedKey | None) -> None:
        """Raises KeyTakenBack when a key that was reached before is none of the list's any more: somebody may hold an older one."""
        if reached is not None and reached.key not in self.keys:
            raise KeyTakenBack(
                f"{self.keys[0].key_id} does not lead to the key {reached.key.key_id}, which was trusted before: it is not this list's "
                "key, or somebody took the newer key back"
            )

    def key_of(self, version: int) -> VerifyKey:
        """The one key that signs a version."""
        return self.keys[sum(rotation.from_version <= version for rotation in self.rotations)]

    def open_head(self, envelope: bytes) -> Head:
        """The head inside an envelope signed by the key of its version. Raises what trusted.open_head raises, and BadRotation."""
        head = open_head(envelope, self.keys)
        open_head(envelope, [self.key_of(head.version)])
        if any(rotation.list_id != head.list_id for rotation in self.rotations):
            raise BadRotation(f"the key rotations are not those of the list {head.list_id!r}")
        return head


def read_rotations(data: bytes) -> tuple[Rotation, ...]:
    """The rotations of a file, each of which follows on the one before. Raises BadRotation."""
    try:
        told = parse_canonical(data)
    except ValueError as error:
        raise BadRotation(f"the list's key rotations cannot be read: {error}") from error
    if not isinstance(told, list) or not told:
        raise BadRotation("the list's key rotations are not a list with at least one")
    rotations = tuple(Rotation.open(canonical_json(envelope)) for envelope in told)
    for number, rotation in enumerate(rotations, start=1):
        _refuse_other_than_next(rotation, number, rotations[number - 2] if number > 1 else None)
    return rotations


def _refuse_other_than_next(rotation: Rotation, number: int, before: Rotation | None) -> None:
    if rotation.number != number or rotation.new == rotation.old:
        raise BadRotation(f"in the place of key rotation {number} stands another one")
    if before is not None and (rotation.old, rotation.list_id) != (before.new, before.list_id):
        raise BadRotation(f"key rotation {number} does not follow on the one before")
    if rotation.from_version <= (before.from_version if before else 1):
        raise BadRotation(f"key rotation {number} begins with version {rotation.from_version}, which another key has signed already")


def announce(directory: Path, old: SigningKey, new: SigningKey, list_id: str, from_version: int) -> Rotation:
    """Writes the next rotation beside the list's head, in one step; durable once it returns. Announcing the same again is a no-op.

    The new key's owner must be ready to sign `from_version` by it: from now on readers accept nothing else. Raises RotationRefused
    when the old key is not the one that signs now, BadRotation when the file there is not genuine, OSError.
    """
    path = directory / ROTATIONS_FILE
    data = path.read_bytes() if path.exists() else None
    known = read_rotations(data) if data else ()
    rotation = Rotation(list_id, len(known) + 1, old.verifier, new.verifier, from_version)
    if known and known[-1] == Rotation(list_id, len(known), old.verifier, new.verifier, from_version):
        return known[-1]
    if known and known[-1].new != old.verifier:
        raise RotationRefused(f"{old.verifier.key_id} does not sign the list any more")
    file = canonical_json([*json.loads(data or b"[]"), json.loads(rotation.envelope(old, new))])
    read_rotations(file)
    atomic_write(path, file)
    return rotation
