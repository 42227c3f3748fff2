"""What stands in tests/vectors/run-record is what the code writes and reads, to the byte."""

import json
from pathlib import Path

import pytest

from demur.errors import DemurError
from demur.runs import AbsenceProof, ConsumedTree, InclusionProof, RunRecord, parse_proof
from demur.runs.proofs import key_digest
from demur.signing import VerifyKey, peek_envelope
from tests.support.receipt_vectors import VECTORS
from tests.support.run_vectors import RUNS, files

RECORD = RunRecord.parse((RUNS / "run-record.dsse.json").read_bytes(), [VerifyKey.load(RUNS / "key.vkey")])
PROOFS = sorted(RUNS.glob("*-[0-9].json"))


def test_they_are_written_as_they_were():
    assert {path.name: path.read_bytes() for path in RUNS.iterdir() if path.suffix != ".txt"} == files()


def test_the_consumed_samples_are_those_of_the_record():
    tree = ConsumedTree.open(RUNS / "consumed.bin")
    tree.check()
    assert (tree.run_id, tree.root, tree.size) == (RECORD.run_id, RECORD.consumed.root, RECORD.consumed.size)


def test_a_record_by_the_first_predicate_type_is_accepted_for_ever():
    frozen = (VECTORS / "frozen" / "run-record-1.dsse.json").read_bytes()
    assert b"https://demur.example/training-run/v1" in peek_envelope(frozen)[1]
    assert RunRecord.parse(frozen, [VerifyKey.load(VECTORS / "frozen" / "run-record-1.vkey")]) == RECORD


@pytest.mark.parametrize("path", PROOFS, ids=lambda path: path.stem)
def test_the_proofs_hold(path: Path):
    proof = parse_proof(path.read_bytes())
    assert isinstance(proof, InclusionProof if path.name.startswith("inclusion") else AbsenceProof)
    proof.verify(RECORD.consumed.root, RECORD.consumed.size, RECORD.run_id, proof.uid)


def test_there_are_proofs_at_both_edges():
    absent = [proof for path in PROOFS if isinstance(proof := parse_proof(path.read_bytes()), AbsenceProof)]
    assert any(proof.before is None for proof in absent)
    assert any(proof.after is None for proof in absent)


def test_the_key_digests_are_those_of_the_uids():
    for uid, digest in json.loads((RUNS / "key-digests.json").read_text()).items():
        assert key_digest("run-1", uid).hex() == digest


def test_no_byte_of_the_consumed_samples_can_change(tmp_path: Path):
    honest, changed = (RUNS / "consumed.bin").read_bytes(), tmp_path / "consumed.bin"
    places = [*range(160), *range(160, len(honest), 499), len(honest) - 1]
    for place in places:
        changed.write_bytes(honest[:place] + bytes([honest[place] ^ 1]) + honest[place + 1 :])
        with pytest.raises(DemurError):
            check(changed)


def check(path: Path) -> None:
    tree = ConsumedTree.open(path)
    tree.check()
    if (tree.run_id, tree.root) != (RECORD.run_id, RECORD.consumed.root):
        raise DemurError("another run's")
