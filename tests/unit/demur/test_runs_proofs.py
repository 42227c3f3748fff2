import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demur.errors import DemurError
from demur.runs import AbsenceProof, BadProof, ConsumedTree, InclusionProof, ProofRefused, parse_proof
from demur.runs.proofs import ProvenLeaf, key_digest
from demur.tlog import merkle

UIDS = [f"u{number}" for number in range(20)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> ConsumedTree:
    path = tmp_path_factory.mktemp("run") / "consumed.bin"
    ConsumedTree.write(path, UIDS, "run-1")
    return ConsumedTree.open(path)


def between(tree: ConsumedTree, position: int) -> str:
    """A uid that would lie just before the leaf at `position`."""
    keys = sorted(key_digest("run-1", uid) for uid in UIDS)
    candidates = (f"x{number}" for number in range(10_000))
    return next(uid for uid in candidates if sum(key < key_digest("run-1", uid) for key in keys) == position)


def test_absence_at_the_edges_and_in_the_middle(tree: ConsumedTree) -> None:
    for position in (0, 10, 20):
        uid = between(tree, position)
        proof = tree.absence_proof(uid)
        assert ((proof.before is None), (proof.after is None)) == (position == 0, position == 20)
        proof.verify(tree.root, tree.size, "run-1", uid)


def test_a_proof_is_about_one_uid_in_one_run_of_one_root(tree: ConsumedTree) -> None:
    uid = between(tree, 10)
    for proof, about in ((tree.absence_proof(uid), uid), (tree.inclusion_proof("u3"), "u3")):
        proof.verify(tree.root, tree.size, "run-1", about)
        attempts = [
            ("0" * 64, tree.size, "run-1", about),
            (tree.root, 0, "run-1", about),
            (tree.root, tree.size, "run-2", about),
            (tree.root, tree.size, "run-1", "another"),
        ]
        for attempt in attempts:
            with pytest.raises(ProofRefused):
                proof.verify(*attempt)


def test_a_consumed_sample_cannot_be_made_absent(tree: ConsumedTree) -> None:
    """All pairs of leaves of the tree as neighbours: none passes for a uid that was consumed."""
    leaves = [tree.inclusion_proof(uid).leaf for uid in UIDS]
    for before in [None, *leaves]:
        for after in [None, *leaves]:
            with pytest.raises(ProofRefused):
                AbsenceProof("run-1", "u3", before, after).verify(tree.root, tree.size, "run-1", "u3")


def test_an_absent_sample_cannot_be_made_consumed(tree: ConsumedTree) -> None:
    honest = tree.inclusion_proof("u3").leaf
    for leaf in (honest, replace(honest, digest=key_digest("run-1", "x"))):
        with pytest.raises(ProofRefused):
            InclusionProof("run-1", "x", leaf).verify(tree.root, tree.size, "run-1", "x")


def test_nothing_is_absent_from_a_run_that_hides_its_samples(tree: ConsumedTree) -> None:
    proof = AbsenceProof("run-1", "u3", None, None)
    proof.verify(merkle.EMPTY_ROOT.hex(), 0, "run-1", "u3")
    with pytest.raises(ProofRefused):
        proof.verify(tree.root, 0, "run-1", "u3")


def test_every_changed_character_of_a_proof_is_refused(tree: ConsumedTree) -> None:
    uid = between(tree, 10)
    for text, about in ((tree.absence_proof(uid).to_json(), uid), (tree.inclusion_proof("u3").to_json(), "u3")):
        for position in range(len(text)):
            broken = text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]
            with pytest.raises((ProofRefused, BadProof)):
                parse_proof(broken).verify(tree.root, tree.size, "run-1", about)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5) | st.binary(max_size=30))
def test_rubbish_is_refused_by_name(value: object) -> None:
    data = value if isinstance(value, bytes) else json.dumps(value)
    with pytest.raises(BadProof):
        parse_proof(data)
    leaf = {"leaf_index": value, "digest": "00", "path": value} if not isinstance(value, bytes) else {}
    with pytest.raises(BadProof):
        InclusionProof.from_json(json.dumps({"format": "demur-inclusion-proof/1", "run_id": "r", "uid": "u", "leaf": leaf}))


@pytest.mark.parametrize("field", ["run_id", "uid"])
@pytest.mark.parametrize("value", ["", "\ud800", 7, None, ["u1"]])
def test_names_that_cannot_be_written_down_are_refused(tree: ConsumedTree, field: str, value: object) -> None:
    for proof in (tree.absence_proof("absent"), tree.inclusion_proof("u3")):
        with pytest.raises(BadProof):
            parse_proof(json.dumps(json.loads(proof.to_json()) | {field: value}))


def test_a_leaf_outside_the_tree_is_refused() -> None:
    with pytest.raises(DemurError):
        ProvenLeaf(-1, bytes(32), ()).verify("0" * 64, 1)
