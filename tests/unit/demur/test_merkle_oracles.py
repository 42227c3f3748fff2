"""Our trees and proofs, held against two implementations that others wrote."""

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree, verify_consistency, verify_inclusion
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore.errors import VerificationError

from demur.tlog import merkle

SIZES = st.integers(1, 600)


def leaves(size: int) -> list[bytes]:
    return [b"leaf %d" % number for number in range(size)]


def hashes(size: int) -> list[bytes]:
    return [merkle.leaf_hash(leaf) for leaf in leaves(size)]


@pytest.fixture(scope="module")
def theirs() -> InmemoryTree:
    return InmemoryTree.init_from_entries(leaves(600), algorithm="sha256")


def test_every_root_is_theirs(theirs: InmemoryTree):
    assert [merkle.root(hashes(size)) for size in range(1, 300)] == [theirs.get_root(size) for size in range(1, 300)]


@given(SIZES, st.data())
@settings(max_examples=60)
def test_inclusion_proofs_are_theirs(theirs: InmemoryTree, size: int, data: st.DataObject):
    index = data.draw(st.integers(0, size - 1))
    proof = theirs.prove_inclusion(index + 1, size)
    verify_inclusion(theirs.get_leaf(index + 1), theirs.get_root(size), proof)
    ours = merkle.inclusion_proof(hashes(size), index)
    assert ours == proof.path[1:], "theirs begins with the leaf itself"
    merkle.verify_inclusion(merkle.leaf_hash(b"leaf %d" % index), index, size, proof.path[1:], theirs.get_root(size))


@given(SIZES, st.data())
@settings(max_examples=60)
def test_consistency_proofs_are_accepted_by_both(theirs: InmemoryTree, size: int, data: st.DataObject):
    old = data.draw(st.integers(1, size))
    proof = theirs.prove_consistency(old, size)
    verify_consistency(theirs.get_root(old), theirs.get_root(size), proof)
    ours = merkle.consistency_proof(hashes(size), old)
    merkle.verify_consistency(old, theirs.get_root(old), size, theirs.get_root(size), ours)


def in_rekor(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> SimpleNamespace:
    proof = SimpleNamespace(log_index=index, tree_size=size, hashes=path, root_hash=root)
    return SimpleNamespace(_inner=SimpleNamespace(inclusion_proof=proof, canonicalized_body=leaf))


@given(SIZES, st.data())
@settings(max_examples=60)
def test_sigstore_accepts_our_proofs_and_refuses_what_we_refuse(size: int, data: st.DataObject):
    index = data.draw(st.integers(0, size - 1))
    leaf, root, path = leaves(size)[index], merkle.root(hashes(size)), merkle.inclusion_proof(hashes(size), index)
    verify_merkle_inclusion(in_rekor(leaf, index, size, path, root))
    wrong = data.draw(st.sampled_from([[*path[:-1], bytes(32)], [*path, bytes(32)], path[1:], path[::-1]]).filter(lambda it: it != path))
    with pytest.raises(merkle.ProofRefused):
        merkle.verify_inclusion(merkle.leaf_hash(leaf), index, size, wrong, root)
    with pytest.raises(VerificationError):
        verify_merkle_inclusion(in_rekor(leaf, index, size, wrong, root))
