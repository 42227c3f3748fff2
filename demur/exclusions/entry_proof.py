"""Proofs that an entry stands in a version of an exclusion list, for people who may not see the list. Pure.

Format: docs/formats/exclusion-list.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from demur.digests import canonical_json, parse_json
from demur.errors import DemurError
from demur.exclusions.entries import Entry, KeyKind
from demur.exclusions.head import Head
from demur.exclusions.table import EntryTable
from demur.exclusions.trusted import check_root
from demur.fields import count, fields, text
from demur.tlog import merkle
from demur.tlog.merkle import ProofRefused

FORMAT = "demur-entry-proof/1"
_BLOCK = 256  # leaves of one subtree
_KEPT = 256  # blocks whose trees are kept, 30 kB each
MOST_VALUES = 10_000  # of a proof: a path of 64, and commas in the key


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
        """Reads a proof of the one spelling, behind which a line may end, without believing it. Raises BadEntryProof."""
        try:
            spelled = (data.encode() if isinstance(data, str) else data).removesuffix(b"\n")
            told = fields(parse_json(spelled, MOST_VALUES))
            kind, key, pdq = told["entry"]
            proof = cls(
                text(told["list_id"]),
                count(told["version"]),
                Entry(KeyKind(kind), text(key), pdq),
                count(told["leaf_index"]),
                tuple(bytes.fromhex(node) for node in told["path"]),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise BadEntryProof(f"the entry proof cannot be read: {error}") from error
        if proof.to_json().encode() != spelled:  # also where it is not canonical, or has other fields
            raise BadEntryProof(f"this is not an entry proof of the format {FORMAT}")
        return proof


class EntryProver:
    """Makes proofs for one version. Made once, it keeps 32 bytes for each block of entries; a proof then hashes one block."""

    def __init__(self, head: Head, entries: EntryTable) -> None:
        """Raises WrongRoot, WrongCount: these are not the entries that the head's signature speaks of."""
        self._head, self._entries = head, entries
        blocks = list(entries.subtree_roots(_BLOCK))
        check_root(entries, merkle.root(blocks).hex(), head)
        self._blocks = merkle.levels(blocks) if blocks else [[]]
        self._hashed = lru_cache(_KEPT)(self._tree)  # someone's entries lie near each other where their uids begin alike

    def prove(self, candidates: Iterable[Entry]) -> EntryProof | None:
        """The proof for the first of these entries, in canonical order, that the version holds; None when it holds none."""
        asked = EntryTable.of(candidates)
        positions, found = self._entries.places(asked)
        first = next((int(position) for position, there in zip(positions, found, strict=True) if there), None)
        return None if first is None else self._proof(first)

    def _proof(self, position: int) -> EntryProof:
        block, inside = divmod(position, _BLOCK)
        path = merkle.path_in(self._hashed(block), inside) + merkle.path_in(self._blocks, block)
        return EntryProof(self._head.list_id, self._head.version, self._entries[position], position, tuple(path))

    def _tree(self, block: int) -> list[list[bytes]]:
        """The tree over the entries of a block."""
        places = range(block * _BLOCK, min((block + 1) * _BLOCK, len(self._entries)))
        return merkle.levels([merkle.leaf_hash(self._entries[place].leaf) for place in places])
