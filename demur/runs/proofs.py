"""Proofs that a sample was, or was not, among those that a training run consumed. Pure; docs/formats/run-record.md has the bytes.

The consumed tree is an RFC 6962 tree over *sorted* key digests, so two leaves that lie side by side prove that nothing lies between them.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Self

from demur.digests import canonical_json
from demur.errors import DemurError
from demur.fields import text
from demur.tlog import merkle
from demur.tlog.merkle import ProofRefused

INCLUSION_FORMAT = "demur-inclusion-proof/1"
ABSENCE_FORMAT = "demur-absence-proof/1"
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
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        if type(fields["leaf_index"]) is not int:
            raise ValueError("a leaf index is a whole number")
        return cls(fields["leaf_index"], _digest(fields["digest"]), tuple(_digest(node) for node in fields["path"]))


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
        fields = {"format": INCLUSION_FORMAT, "run_id": self.run_id, "uid": self.uid, "leaf": self.leaf.to_fields()}
        return canonical_json(fields).decode()

    @classmethod
    def from_json(cls, data: str | bytes) -> Self:
        """Raises BadProof."""
        fields = _fields(data, INCLUSION_FORMAT)
        try:
            return cls(text(fields["run_id"]), text(fields["uid"]), ProvenLeaf.from_fields(fields["leaf"]))
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
        fields = {"format": ABSENCE_FORMAT, "run_id": self.run_id, "uid": self.uid, "before": before, "after": after}
        return canonical_json(fields).decode()

    @classmethod
    def from_json(cls, data: str | bytes) -> Self:
        """Raises BadProof."""
        fields = _fields(data, ABSENCE_FORMAT)
        try:
            before, after = (ProvenLeaf.from_fields(fields[side]) if fields[side] is not None else None for side in ("before", "after"))
            return cls(text(fields["run_id"]), text(fields["uid"]), before, after)
        except (ValueError, TypeError, KeyError) as error:
            raise BadProof(f"the absence proof cannot be read: {error}") from error


def parse_proof(data: str | bytes) -> InclusionProof | AbsenceProof:
    """Reads a proof of either kind. Raises BadProof."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadProof("this is not a proof: broken JSON") from error
    if isinstance(fields, dict) and fields.get("format") == INCLUSION_FORMAT:
        return InclusionProof.from_json(data)
    return AbsenceProof.from_json(data)


def _expected_key(proof: InclusionProof | AbsenceProof, run_id: str, uid: str) -> bytes:
    if (proof.run_id, proof.uid) != (run_id, uid):
        raise ProofRefused(f"the proof is about {proof.uid} in the run {proof.run_id}, not about {uid} in the run {run_id}")
    return key_digest(run_id, uid)


def _fields(data: str | bytes, expected: str) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadProof("this is not a proof: broken JSON") from error
    if not isinstance(fields, dict) or fields.get("format") != expected:
        raise BadProof(f"this is not a proof of the format {expected}")
    return fields


def _digest(text: str) -> bytes:
    digest = bytes.fromhex(text)
    if len(digest) != 32 or digest.hex() != text:
        raise ValueError(f"{text!r} is not a digest")
    return digest
