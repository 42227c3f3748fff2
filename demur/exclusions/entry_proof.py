"""Proofs that an entry stands in a version of an exclusion list, for people who may not see the list. Pure.

Format: docs/formats/exclusion-list.md.
"""

import json
from dataclasses import dataclass
from typing import Self

from demur.digests import NotCanonical, canonical_json
from demur.errors import DemurError
from demur.exclusions.entries import Entry, KeyKind
from demur.exclusions.head import Head
from demur.fields import count, fields, text
from demur.tlog import merkle
from demur.tlog.merkle import ProofRefused

FORMAT = "demur-entry-proof/1"
_FIELDS = {"format", "list_id", "version", "entry", "leaf_index", "path"}


class BadEntryProof(DemurError, ValueError):
    """The text is not an entry proof of a known format."""


@dataclass(frozen=True)
class EntryProof:
    """``leaf_index``: the entry's place in canonical order. ``path``: 32 bytes each, from the leaf's sibling upwards."""

    list_id: str
    version: int
    entry: Entry
    leaf_index: int
    path: tuple[bytes, ...]

    def verify(self, head: Head) -> None:
        """Returns when the entry is in the version that a verified head describes. Raises ProofRefused."""
        if (self.list_id, self.version) != (head.list_id, head.version):
            raise ProofRefused(f"the proof is about version {self.version} of the list {self.list_id}")
        leaf = merkle.leaf_hash(self.entry.leaf)
        merkle.verify_inclusion(leaf, self.leaf_index, head.total, self.path, bytes.fromhex(head.root))

    def to_json(self) -> str:
        """Canonical JSON."""
        told = {
            "format": FORMAT,
            "list_id": self.list_id,
            "version": self.version,
            "entry": [self.entry.kind.value, self.entry.key, self.entry.pdq],
            "leaf_index": self.leaf_index,
            "path": [node.hex() for node in self.path],
        }
        return canonical_json(told).decode()

    @classmethod
    def from_json(cls, data: str | bytes) -> Self:
        """Reads a proof of the one spelling without believing it. Raises BadEntryProof."""
        try:
            told = fields(json.loads(data))
            kind, key, pdq = told["entry"]
            proof = cls(
                text(told["list_id"]),
                count(told["version"]),
                Entry(KeyKind(kind), text(key), pdq),
                count(told["leaf_index"]),
                tuple(bytes.fromhex(node) for node in told["path"]),
            )
        except (ValueError, TypeError, KeyError, RecursionError, NotCanonical) as error:
            raise BadEntryProof(f"the entry proof cannot be read: {error}") from error
        spelled = data if isinstance(data, str) else data.decode()
        if set(told) != _FIELDS or told["format"] != FORMAT or proof.to_json() != spelled:
            raise BadEntryProof(f"this is not an entry proof of the format {FORMAT}")
        return proof
