"""Proofs that a sample was, or was not, among those that a training run consumed. Pure; docs/formats/run-record.md has the bytes.

The consumed tree is an RFC 6962 tree over *sorted* key digests, so two leaves that lie side by side prove that nothing lies between them.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Self

from demur.digests import canonical_json, parse_canonical
from demur.errors import DemurError
from demur.fields import count, fields, text
from demur.tlog import merkle
from demur.tlog.merkle import ProofRefused

INCLUSION_FORMAT = "demur-inclusion-proof/1"
ABSENCE_FORMAT = "demur-absence-proof/1"
MOST_VALUES = 10_000  # of a proof: two paths of 64, and commas in the name of a photo
_DOMAIN = b"demur/consumed/1\0"


class BadProof(DemurError, ValueError):
    """The text is not a proof of a known format."""


def key_digest(run_id: str, uid: str) -> bytes:
    """The 32 bytes that stand for a sample in one run's tree: SHA-256("demur/consumed/1" ‖ 0 ‖ run id ‖ 0 ‖ uid)."""
    return hashlib.sha256(_DOMAIN + run_id.encode() + b"\0" + uid.encode()).digest()


@dataclass(frozen=True)
class ProvenLeaf:
    """A leaf of the consumed tree with its audit path, from the leaf's sibling upwards."""

    leaf_index: int
    digest: bytes
    path: tuple[bytes, ...]

    def verify(self, root: str, size: int) -> None:
        """Returns when the leaf is in the tree. Raises ProofRefused."""
        merkle.verify_inclusion(merkle.leaf_hash(self.digest), self.leaf_index, size, self.path, bytes.fromhex(root))

    def to_fields(self) -> dict[str, Any]:
        return {"leaf_index": self.leaf_index, "digest": self.digest.hex(), "path": [node.hex() for node in self.path]}

    @classmethod
    def from_fields(cls, told: dict[str, Any]) -> Self:
        """Raises ValueError, TypeError."""
        if set(fields(told)) != {"leaf_index", "digest", "path"} or not isinstance(told["path"], list):
            raise ValueError("a leaf has a place, a digest and a path")
        return cls(count(told["leaf_index"]), _digest(told["digest"]), tuple(_digest(node) for node in told["path"]))


@dataclass(frozen=True)
class InclusionProof:
    """Shows that a run consumed the sample `uid`."""

    run_id: str
    uid: str
    leaf: ProvenLeaf

    def verify(self, root: str, size: int, run_id: str, uid: str) -> None:
        """Returns when the proof holds for the consumed root (hex) and size of a run record. Raises ProofRefused."""
        if self.leaf.digest != _expected_key(self, run_id, uid):
            raise ProofRefused(f"the proof is about another sample than {uid}")
        self.leaf.verify(root, size)

    def to_json(self) -> str:
        """Canonical JSON."""
        told = {"format": INCLUSION_FORMAT, "run_id": self.run_id, "uid": self.uid, "leaf": self.leaf.to_fields()}
        return canonical_json(told).decode()

    @classmethod
    def from_json(cls, data: str | bytes) -> Self:
        """Raises BadProof."""
        return cls.from_fields(_told(data))

    @classmethod
    def from_fields(cls, told: dict[str, Any]) -> Self:
        """Raises BadProof."""
        _refuse_others(told, INCLUSION_FORMAT, {"format", "run_id", "uid", "leaf"})
        try:
            return cls(text(told["run_id"]), text(told["uid"]), ProvenLeaf.from_fields(told["leaf"]))
        except (ValueError, TypeError, KeyError) as error:
            raise BadProof(f"the inclusion proof cannot be read: {error}") from error


@dataclass(frozen=True)
class AbsenceProof:
    """Shows that a run did not consume the sample `uid`: the two neighbouring leaves between which it would have to lie.

    `before` is None when the sample would be the first leaf, `after` when it would be the last, both when the run consumed nothing.
    """

    run_id: str
    uid: str
    before: ProvenLeaf | None
    after: ProvenLeaf | None

    def verify(self, root: str, size: int, run_id: str, uid: str) -> None:
        """Returns when the proof holds for the consumed root (hex) and size of a run record. Raises ProofRefused."""
        key = _expected_key(self, run_id, uid)
        position = self.before.leaf_index + 1 if self.before else 0
        if (self.after.leaf_index if self.after else size) != position:
            raise ProofRefused("the two leaves of the absence proof are not neighbours")
        if (self.before and self.before.digest >= key) or (self.after and self.after.digest <= key):
            raise ProofRefused(f"the sample {uid} does not lie between the two leaves of the absence proof")
        for leaf in (self.before, self.after):
            if leaf is not None:
                leaf.verify(root, size)
        if size == 0 and bytes.fromhex(root) != merkle.EMPTY_ROOT:
            raise ProofRefused("the run record counts no samples, but its root is not that of an empty tree")

    def to_json(self) -> str:
        """Canonical JSON."""
        before, after = (leaf.to_fields() if leaf else None for leaf in (self.before, self.after))
        told = {"format": ABSENCE_FORMAT, "run_id": self.run_id, "uid": self.uid, "before": before, "after": after}
        return canonical_json(told).decode()

    @classmethod
    def from_json(cls, data: str | bytes) -> Self:
        """Raises BadProof."""
        return cls.from_fields(_told(data))

    @classmethod
    def from_fields(cls, told: dict[str, Any]) -> Self:
        """Raises BadProof."""
        _refuse_others(told, ABSENCE_FORMAT, {"format", "run_id", "uid", "before", "after"})
        try:
            before, after = (ProvenLeaf.from_fields(told[side]) if told[side] is not None else None for side in ("before", "after"))
            return cls(text(told["run_id"]), text(told["uid"]), before, after)
        except (ValueError, TypeError, KeyError) as error:
            raise BadProof(f"the absence proof cannot be read: {error}") from error


def parse_proof(data: str | bytes) -> InclusionProof | AbsenceProof:
    """Reads a proof of either kind. Raises BadProof."""
    told = _told(data)
    return InclusionProof.from_fields(told) if told.get("format") == INCLUSION_FORMAT else AbsenceProof.from_fields(told)


def _expected_key(proof: InclusionProof | AbsenceProof, run_id: str, uid: str) -> bytes:
    if (proof.run_id, proof.uid) != (run_id, uid):
        raise ProofRefused(f"the proof is about {proof.uid} in the run {proof.run_id}, not about {uid} in the run {run_id}")
    return key_digest(run_id, uid)


def _told(data: str | bytes) -> dict[str, Any]:
    """Raises BadProof for anything but an object of the one spelling, behind which a line may end."""
    try:
        spelled = data.encode() if isinstance(data, str) else data
        return fields(parse_canonical(spelled.removesuffix(b"\n"), MOST_VALUES))
    except ValueError as error:
        raise BadProof(f"the proof cannot be read: {error}") from error


def _refuse_others(told: dict[str, Any], expected: str, names: set[str]) -> None:
    if told.get("format") != expected or set(told) != names:
        raise BadProof(f"this is not a proof of the format {expected}")


def _digest(text: str) -> bytes:
    digest = bytes.fromhex(text)
    if len(digest) != 32 or digest.hex() != text:
        raise ValueError(f"{text!r} is not a digest")
    return digest
