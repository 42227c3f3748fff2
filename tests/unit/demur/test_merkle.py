import pytest
from hypothesis import given
from hypothesis import strategies as st

from demur.tlog import merkle
from demur.tlog.merkle import ProofRefused

LEAVES = [
    bytes.fromhex(text) for text in ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
]
ROOTS = [  # the reference trees of Certificate Transparency
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def hashes(size: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % number) for number in range(size)]


def test_roots_are_those_of_certificate_transparency() -> None:
    leaves = [merkle.leaf_hash(leaf) for leaf in LEAVES]
    assert [merkle.root(leaves[: size + 1]).hex() for size in range(8)] == ROOTS
    assert merkle.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_every_leaf_of_every_small_tree_is_proved() -> None:
    for size in range(1, 66):
        leaves = hashes(size)
        root = merkle.root(leaves)
        for index in range(size):
            merkle.verify_inclusion(leaves[index], index, size, merkle.inclusion_proof(leaves, index), root)


def test_every_prefix_of_every_small_tree_is_proved() -> None:
    for size in range(1, 40):
        leaves = hashes(size)
        for old in range(1, size + 1):
            proof = merkle.consistency_proof(leaves, old)
            merkle.verify_consistency(old, merkle.root(leaves[:old]), size, merkle.root(leaves), proof)


@given(st.integers(1, 300), st.data())
def test_a_proof_for_another_place_leaf_or_root_is_refused(size: int, data: st.DataObject) -> None:
    leaves = hashes(size)
    root = merkle.root(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_proof(leaves, index)
    other = data.draw(st.integers(-1, size + 1).filter(lambda number: number != index))
    with pytest.raises(ProofRefused):
        merkle.verify_inclusion(leaves[index], other, size, path, root)
    with pytest.raises(ProofRefused):
        merkle.verify_inclusion(merkle.leaf_hash(b"other"), index, size, path, root)
    with pytest.raises(ProofRefused):
        merkle.verify_inclusion(leaves[index], index, size, path, merkle.leaf_hash(root))
    with pytest.raises(ProofRefused):
        merkle.verify_inclusion(leaves[index], index, size, [*path, root], root)
    for step in range(len(path)):
        with pytest.raises(ProofRefused):
            merkle.verify_inclusion(leaves[index], index, size, path[:step] + path[step + 1 :], root)
        with pytest.raises(ProofRefused):
            merkle.verify_inclusion(leaves[index], index, size, [*path[:step], root, *path[step + 1 :]], root)


@given(st.integers(1, 200), st.data())
def test_a_consistency_proof_for_a_rewritten_tree_is_refused(size: int, data: st.DataObject) -> None:
    leaves = hashes(size)
    old = data.draw(st.integers(1, size))
    proof = merkle.consistency_proof(leaves, old)
    old_root, root = merkle.root(leaves[:old]), merkle.root(leaves)
    wrong = merkle.leaf_hash(b"wrong")
    for attempt in ((old, wrong, size, root, proof), (old, old_root, size, wrong, proof), (old, old_root, size, root, [*proof, wrong])):
        with pytest.raises(ProofRefused):
            merkle.verify_consistency(*attempt)
    for step in range(len(proof)):
        with pytest.raises(ProofRefused):
            merkle.verify_consistency(old, old_root, size, root, proof[:step] + proof[step + 1 :])


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ProofRefused):
        merkle.verify_consistency(3, merkle.EMPTY_ROOT, 2, merkle.EMPTY_ROOT, [])
    with pytest.raises(ProofRefused):
        merkle.verify_inclusion(merkle.EMPTY_ROOT, 0, 0, [], merkle.EMPTY_ROOT)
    with pytest.raises(IndexError):
        merkle.inclusion_proof(hashes(3), 3)
    with pytest.raises(IndexError):
        merkle.consistency_proof(hashes(3), 0)


@given(st.integers(1, 5), st.integers(1, 200))
def test_hashes_of_aligned_blocks_stand_in_for_their_leaves(power: int, size: int) -> None:
    leaves, block = hashes(size), 1 << power
    blocks = [merkle.root(leaves[start : start + block]) for start in range(0, size, block)]
    assert merkle.root(blocks) == merkle.root(leaves)
    for index in (0, size // 2, size - 1):
        inside = merkle.inclusion_proof(leaves[index // block * block : (index // block + 1) * block], index % block)
        assert inside + merkle.inclusion_proof(blocks, index // block) == merkle.inclusion_proof(leaves, index)
