"""Checkpoints of a transparency log: what its operator signs about the tree, and what witnesses add.

Texts: https://c2sp.org/tlog-checkpoint in https://c2sp.org/signed-note. Cosignatures: https://c2sp.org/tlog-cosignature.
"""

import base64
import binascii
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Self

from demur.errors import DemurError
from demur.fields import count
from demur.signing import BadSignature, SigningKey, UnknownKey, VerifyKey

_MARK = "— "
_MOST_SIGNATURES = 64
_LATEST = 253402300799  # the last second of the year 9999: later ones are no dates in Python


class BadCheckpoint(DemurError, ValueError):
    """The text is not a checkpoint in a signed note."""


class WrongOrigin(DemurError):
    """The checkpoint is another log's."""


class WitnessKey(VerifyKey):
    """A witness's public key: its signatures are over the checkpoint and the time at which it was seen (0x04, cosignature/v1)."""

    TYPE: ClassVar[bytes] = b"\x04"


@dataclass(frozen=True)
class Signature:
    """A line of a signed note. ``raw``: for a log 64 bytes, for a witness 8 bytes of big-endian Unix time and 64 bytes."""

    name: str
    key_hash: bytes
    raw: bytes

    def __str__(self) -> str:
        return f"{_MARK}{self.name} {base64.b64encode(self.key_hash + self.raw).decode()}"

    @property
    def key_id(self) -> str:
        """As `VerifyKey.key_id` has it."""
        return f"{self.name}+{self.key_hash.hex()}"

    def by(self, key: VerifyKey) -> bool:
        """Whether the line claims to be by this key."""
        return (self.name, self.key_hash) == (key.name, key.key_hash)


@dataclass(frozen=True)
class LogCheckpoint:
    """The tree of the log ``origin`` at one size. ``root``: 32 bytes."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[Signature, ...] = ()

    @property
    def body(self) -> str:
        """What is signed: three lines, each with its line feed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def __str__(self) -> str:
        return f"{self.body}\n" + "".join(f"{signature}\n" for signature in self.signatures)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a checkpoint without believing it; only the one spelling that is written is read. Raises BadCheckpoint."""
        try:
            body, _, notes = text.partition("\n\n")
            origin, size, root = body.split("\n")
            lines = notes.removesuffix("\n").split("\n", _MOST_SIGNATURES)
            signatures = tuple(map(_signature, lines))
            checkpoint = cls(origin, count(int(size)), base64.b64decode(root, validate=True), signatures)
        except (ValueError, binascii.Error, struct.error) as error:
            raise BadCheckpoint("this is not a checkpoint: three lines, an empty one, and signatures") from error
        if str(checkpoint) != text or len(checkpoint.root) != 32 or not origin.isprintable() or len(signatures) > _MOST_SIGNATURES:
            raise BadCheckpoint("the checkpoint is not spelled as checkpoints are")
        if len({(line.name, line.key_hash) for line in signatures}) != len(signatures):
            raise BadCheckpoint("the checkpoint is signed twice by one key")
        return checkpoint

    @classmethod
    def open_by_any(cls, text: str, keys: Collection[VerifyKey]) -> tuple[Self, VerifyKey]:
        """Reads a checkpoint that one of these keys of logs signed, and says which. Of several keys with one hash each is tried.

        Raises BadCheckpoint, UnknownKey, BadSignature.
        """
        checkpoint = cls.parse(text)
        lines = {(line.name, line.key_hash): line.raw for line in checkpoint.signatures}
        candidates = [key for key in keys if key.name == checkpoint.origin and (key.name, key.key_hash) in lines]
        if not candidates:
            raise UnknownKey(f"it is signed by the log {checkpoint.origin}, whose key was not given as trusted")
        for key in candidates[:-1]:
            if key.fits(lines[key.name, key.key_hash], checkpoint.body.encode()):
                return checkpoint, key
        candidates[-1].verify(lines[candidates[-1].name, candidates[-1].key_hash], checkpoint.body.encode())
        return checkpoint, candidates[-1]

    @classmethod
    def open(cls, text: str, key: VerifyKey) -> Self:
        """Reads a checkpoint that the log's key signed. Raises BadCheckpoint, WrongOrigin, UnknownKey, BadSignature."""
        checkpoint = cls.parse(text)
        if checkpoint.origin != key.name:
            raise WrongOrigin(f"this is a checkpoint of the log {checkpoint.origin}, not of {key.name}")
        key.verify(checkpoint._line(key).raw, checkpoint.body.encode())
        return checkpoint

    def sign(self, key: SigningKey) -> Self:
        """The same checkpoint with the log's own signature."""
        verifier = key.verifier
        return self._with(Signature(verifier.name, verifier.key_hash, key.private.sign(self.body.encode())))

    def cosign(self, key: SigningKey, now: datetime) -> Self:
        """The same checkpoint with a witness's cosignature, dated in whole seconds."""
        witness, time = WitnessKey(key.name, key.verifier.public), int(now.timestamp())
        raw = struct.pack(">Q", time) + key.private.sign(_cosigned(self.body, time))
        return self._with(Signature(witness.name, witness.key_hash, raw))

    def signed_by(self, key: VerifyKey) -> bool:
        """Whether a line of it claims to be by this key."""
        return any(line.by(key) for line in self.signatures)

    def seen_at(self, witness: WitnessKey) -> datetime:
        """When a witness cosigned it. Raises UnknownKey, BadSignature."""
        raw = self._line(witness).raw
        if len(raw) != 72:
            raise BadSignature(f"the signature by {witness.key_id} is no cosignature")
        (time,) = struct.unpack(">Q", raw[:8])
        witness.verify(raw[8:], _cosigned(self.body, time))
        return datetime.fromtimestamp(min(time, _LATEST), UTC)

    def merged(self, signatures: Sequence[Signature]) -> Self:
        """With signatures of another copy of this checkpoint; of each key the newer one stays."""
        fresh = {(line.name, line.key_hash) for line in signatures}
        kept = [line for line in self.signatures if (line.name, line.key_hash) not in fresh]
        return type(self)(self.origin, self.size, self.root, (*kept, *signatures))

    def _with(self, signature: Signature) -> Self:
        return self.merged([signature])

    def _line(self, key: VerifyKey) -> Signature:
        line = next((line for line in self.signatures if line.by(key)), None)
        if line is None:
            raise UnknownKey(f"the checkpoint carries no signature by {key.key_id}")
        return line


def _signature(line: str) -> Signature:
    """Raises ValueError, binascii.Error."""
    mark, name, encoded = line.split(" ")
    raw = base64.b64decode(encoded, validate=True)
    if mark != _MARK.strip() or len(raw) < 5 or not name:
        raise ValueError("not a signature line")
    return Signature(name, raw[:4], raw[4:])


def _cosigned(body: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{body}".encode()
