"""Test vectors of run records, consumed samples and proofs about them, for implementations in any language (docs/formats/run-record.md).

    python -m tests.support.run_vectors

writes tests/vectors/run-record anew. Keys, times and uids are fixed, so the bytes are always the same.
"""

import json
import shutil
import tempfile
from pathlib import Path

from demur.runs import ConsumedReference, ConsumedTree
from demur.runs.proofs import key_digest
from tests.support.receipt_vectors import VECTORS, fixed_key
from tests.support.training_runs import record

RUNS = VECTORS / "run-record"
KEY = fixed_key("trainer.example")
UIDS = [*(f"photo-{number}" for number in range(1500)), "é", "📷 with a space"]  # more than one block of 1024 leaves
ABSENT = ["another photo", "photo-1500", "a\nb"]


def files() -> dict[str, bytes]:
    """Everything but the README, by name."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "consumed.bin"
        root = ConsumedTree.write(path, UIDS, "run-1")
        tree, consumed = ConsumedTree.open(path), path.read_bytes()
    keys = sorted(key_digest("run-1", uid) for uid in UIDS)
    edges = [_beyond(keys[0], lower=True), _beyond(keys[-1], lower=False)]
    proofs = {f"inclusion-{number}": tree.inclusion_proof(uid) for number, uid in enumerate((UIDS[0], UIDS[1023], UIDS[-1]), start=1)}
    proofs |= {f"absence-{number}": tree.absence_proof(uid) for number, uid in enumerate([*ABSENT, *edges], start=1)}
    digests = {uid: key_digest("run-1", uid).hex() for uid in (*UIDS[:3], *UIDS[-2:], *ABSENT)}
    return {
        "key.vkey": f"{KEY.verifier}\n".encode(),
        "run-record.dsse.json": record(consumed=ConsumedReference(root, len(UIDS))).sign(KEY),
        "consumed.bin": consumed,
        "key-digests.json": json.dumps(digests, ensure_ascii=False, indent=1).encode() + b"\n",
        **{f"{name}.json": proof.to_json().encode() for name, proof in proofs.items()},
    }


def _beyond(edge: bytes, lower: bool) -> str:
    """A uid that would be the first leaf, or the last one."""
    candidates = (f"edge-{number}" for number in range(1_000_000))
    return next(uid for uid in candidates if (key_digest("run-1", uid) < edge) is lower and key_digest("run-1", uid) != edge)


if __name__ == "__main__":
    readme = (RUNS / "README.txt").read_text()
    shutil.rmtree(RUNS)
    RUNS.mkdir(parents=True)
    (RUNS / "README.txt").write_text(readme)
    for name, data in files().items():
        (RUNS / name).write_bytes(data)
