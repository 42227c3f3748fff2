"""Receipts: a signed statement, the proof that the log commits to it, and the log's checkpoint (docs/formats/receipt.md).

A receipt is canonical JSON of one spelling, so that no byte of it can change unseen.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from demur.digests import canonical_json, parse_canonical
from demur.errors import DemurError
from demur.fields import count, fields, text
from demur.receipts.statement import PAYLOAD_TYPE, SALT_BYTES, Statement, commitment
from demur.signing import VerifyKey, open_envelope
from demur.tlog import merkle
from demur.tlog.checkpoint import LogCheckpoint

FORMAT = "demur-receipt/1"
_FIELDS = {"format", "statement", "salt", "leaf_index", "proof", "checkpoint"}
_MOST_VALUES = 10_000  # of a receipt: its statement is one text, its proof has 64 at most; and commas in the names of logs and witnesses


class BadReceipt(DemurError, ValueError):
    """The bytes are not a receipt of a known format."""


@dataclass(frozen=True)
class Receipt:
    """``envelope``: the DSSE envelope of the statement. ``salt``: 32 bytes. ``proof``: 32 bytes each, from the leaf's sibling upwards.
    ``checkpoint``: the text of a signed note over a tree that holds the leaf."""

    envelope: bytes
    salt: bytes
    leaf_index: int
    proof: tuple[bytes, ...]
    checkpoint: str

    def to_json(self) -> bytes:
        """Canonical JSON, and a line feed."""
        told = {
            "format": FORMAT,
            "statement": json.loads(self.envelope),
            "salt": self.salt.hex(),
            "leaf_index": self.leaf_index,
            "proof": [node.hex() for node in self.proof],
            "checkpoint": self.checkpoint,
        }
        return canonical_json(told) + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Reads a receipt without believing it. Raises BadReceipt."""
        try:
            told: dict[str, Any] = fields(parse_canonical(data.removesuffix(b"\n"), _MOST_VALUES))
            if set(told) != _FIELDS or told["format"] != FORMAT or not data.endswith(b"\n"):
                raise BadReceipt(f"this is not a receipt of the format {FORMAT}")
            return cls(
                envelope=canonical_json(fields(told["statement"])),
                salt=_bytes(told["salt"], SALT_BYTES),
                leaf_index=count(told["leaf_index"]),
                proof=tuple(_bytes(node, 32) for node in _items(told["proof"])),
                checkpoint=text(told["checkpoint"]),
            )
        except BadReceipt:
            raise
        except (ValueError, TypeError, KeyError) as error:
            raise BadReceipt(f"the receipt cannot be read: {error}") from error

    def verify(self, key: VerifyKey) -> tuple[Statement, LogCheckpoint]:
        """What it states, and the checkpoint that commits to it, if all of it holds by the log's key.

        Raises BadEnvelope, UnknownKey, BadSignature (demur.signing), BadStatement, BadCheckpoint, WrongOrigin, ProofRefused.
        """
        statement = Statement.parse(open_envelope(self.envelope, PAYLOAD_TYPE, [key]).payload)
        checkpoint = LogCheckpoint.open(self.checkpoint, key)
        leaf = merkle.leaf_hash(commitment(self.salt, statement.payload()))
        merkle.verify_inclusion(leaf, self.leaf_index, checkpoint.size, self.proof, checkpoint.root)
        return statement, checkpoint


def _bytes(value: str, length: int) -> bytes:
    raw = bytes.fromhex(value)
    if len(raw) != length or raw.hex() != value:
        raise ValueError(f"{value!r} is not {length} bytes as hex digits")
    return raw


def _items(value: object) -> Sequence[str]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list")
    return value
