"""Training runs as anyone can check them: the signed run record, and proofs of what was and was not consumed."""

from demur.runs.consumed import BadConsumedFile, ConsumedTree, UidConsumed, UidNotConsumed
from demur.runs.proofs import AbsenceProof, BadProof, InclusionProof, parse_proof
from demur.runs.record import BadRunRecord, ConsumedReference, ListReference, ManifestReference, RunRecord, Stage
from demur.tlog.merkle import ProofRefused

__all__ = [
    "AbsenceProof",
    "BadConsumedFile",
    "BadProof",
    "BadRunRecord",
    "ConsumedReference",
    "ConsumedTree",
    "InclusionProof",
    "ListReference",
    "ManifestReference",
    "ProofRefused",
    "RunRecord",
    "Stage",
    "UidConsumed",
    "UidNotConsumed",
    "parse_proof",
]
