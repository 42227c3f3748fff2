from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.exclusions.columns import fold
from demur.runs import AbsenceProof, BadConsumedFile, ConsumedTree, InclusionProof, UidConsumed, UidNotConsumed
from demur.runs.proofs import key_digest
from demur.tlog import merkle

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10, min_size=1).map(fold).filter(len)
"""In their one form; others: test_uid_spellings_after_import."""


def written(path: Path, uids: list[str]) -> ConsumedTree:
    root = ConsumedTree.write(path, uids, "run-1")
    tree = ConsumedTree.open(path)
    tree.check()
    assert tree.root == root
    return tree


@settings(deadline=None)
@given(uids=st.lists(texts, max_size=40), others=st.sets(texts, max_size=20))
def test_every_uid_is_provably_in_or_out(tmp_path_factory: pytest.TempPathFactory, uids: list[str], others: set[str]) -> None:
    tree = written(tmp_path_factory.mktemp("run") / "consumed.bin", uids)
    keys = sorted({key_digest("run-1", uid) for uid in uids})
    assert (tree.size, tree.root) == (len(keys), merkle.root(merkle.leaf_hash(key) for key in keys).hex())
    for uid in {*uids, *others}:
        if uid in uids:
            assert tree.find([uid]) == [keys.index(key_digest("run-1", uid))]
            InclusionProof.from_json(tree.inclusion_proof(uid).to_json()).verify(tree.root, tree.size, "run-1", uid)
            with pytest.raises(UidConsumed):
                tree.absence_proof(uid)
        else:
            assert tree.find([uid]) == [-1]
            AbsenceProof.from_json(tree.absence_proof(uid).to_json()).verify(tree.root, tree.size, "run-1", uid)
            with pytest.raises(UidNotConsumed):
                tree.inclusion_proof(uid)


@pytest.mark.parametrize("size", [0, 1, 2, 1023, 1024, 1025, 2048, 3000])
def test_trees_of_one_and_several_blocks(tmp_path: Path, size: int) -> None:
    tree = written(tmp_path / "consumed.bin", [f"u{number}" for number in range(size)])
    assert tree.size == size
    found = tree.find([f"u{number}" for number in range(size)])
    assert np.array_equal(np.sort(found), np.arange(size))
    for number in {0, size // 2, size - 1} & set(range(size)):
        tree.inclusion_proof(f"u{number}").verify(tree.root, size, "run-1", f"u{number}")
    for number in range(20):
        tree.absence_proof(f"x{number}").verify(tree.root, size, "run-1", f"x{number}")
    assert tree.find([]).tolist() == []


def test_the_same_samples_have_the_same_root_in_any_order_but_another_in_another_run(tmp_path: Path) -> None:
    assert ConsumedTree.write(tmp_path / "a", ["x", "y", "x"], "run-1") == ConsumedTree.write(tmp_path / "b", ["y", "x"], "run-1")
    assert ConsumedTree.write(tmp_path / "a", ["x", "y"], "run-1") != ConsumedTree.write(tmp_path / "b", ["x", "y"], "run-2")


def test_every_changed_byte_and_every_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "consumed.bin"
    ConsumedTree.write(path, [f"u{number}" for number in range(1030)], "run-1")
    honest = path.read_bytes()
    for position in [*range(160), *range(160, len(honest), 997), *range(len(honest) - 70, len(honest))]:
        path.write_bytes(honest[:position] + bytes([honest[position] ^ 1]) + honest[position + 1 :])
        assert refused(path), position
    for length in (0, 5, 100, len(honest) - 32, len(honest) - 1):
        path.write_bytes(honest[:length])
        assert refused(path), length


def refused(path: Path) -> bool:
    """Refused by the file itself, or no longer what the run's signed record names: digests alone do not tell whose they are."""
    try:
        tree = ConsumedTree.open(path)
        tree.check()
    except BadConsumedFile:
        return True
    return tree.run_id != "run-1"
