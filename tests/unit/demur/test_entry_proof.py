"""Proofs that an entry stands in a version of the list, for people who may not see the list."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.errors import DemurError
from demur.exclusions import Entry, KeyKind
from demur.exclusions.entry_proof import BadEntryProof, EntryProof, EntryProver
from demur.exclusions.trusted import WrongCount, WrongRoot
from demur.tlog import merkle
from demur.tlog.merkle import ProofRefused
from tests.support.exclusion_lists import build, uids

MIXED = [
    *uids(*(f"photo-{number}" for number in range(700))),
    Entry(KeyKind.OWNER, "ada"),
    Entry(KeyKind.SHA256, "1" * 64),
    Entry(KeyKind.PHASH, "2" * 16, "3" * 64),
]
VERSION = build(MIXED)


def test_every_entry_of_a_version_is_proved():
    prover = EntryProver(VERSION.head, VERSION.entries)
    for entry in VERSION.entries:
        proof = prover.prove([entry])
        assert proof is not None
        assert proof.entry == entry
        EntryProof.from_json(proof.to_json()).verify(VERSION.head)


def test_what_is_not_in_the_version_has_no_proof():
    prover = EntryProver(VERSION.head, VERSION.entries)
    assert prover.prove(uids("another")) is None
    assert prover.prove([*uids("another"), Entry(KeyKind.OWNER, "ada")]).entry.key == "ada"
    empty = build([])
    assert EntryProver(empty.head, empty.entries).prove(uids("a")) is None


def test_nothing_is_proved_by_other_entries_than_the_signed_ones():
    for entries, error in (([*MIXED[:-1], *uids("another")], WrongCount), ([*uids("another"), *MIXED[1:]], WrongRoot)):
        with pytest.raises(error):
            EntryProver(VERSION.head, build(entries).entries)


def test_a_proof_of_another_version_or_entry_is_refused():
    prover, other = EntryProver(VERSION.head, VERSION.entries), build(MIXED[:-1])
    proof = prover.prove(uids("photo-7"))
    with pytest.raises(ProofRefused):
        proof.verify(other.head)
    with pytest.raises(ProofRefused):
        EntryProof(proof.list_id, proof.version, uids("photo-8")[0], proof.leaf_index, proof.path).verify(VERSION.head)


def test_no_single_byte_can_change():
    data = EntryProver(VERSION.head, VERSION.entries).prove(uids("photo-7")).to_json().encode()
    for position in range(len(data)):
        for flip in (1, 4, 32, 128):
            changed = bytearray(data)
            changed[position] ^= flip
            with pytest.raises(DemurError):
                EntryProof.from_json(bytes(changed)).verify(VERSION.head)
    in_utf_16 = data.replace(b"photo-7", "ü".encode()).decode().encode("utf-16-le")
    surrogate = data.replace(b"photo-7", b"\\ud800")
    for rubbish in (b"", b"[]", b"{}", b"\xff", data[:-1], data + b"\n\n", in_utf_16, surrogate):
        with pytest.raises(BadEntryProof):
            EntryProof.from_json(rubbish)


@given(st.integers(1, 700), st.data())
@settings(max_examples=50)
def test_a_path_in_kept_levels_is_the_inclusion_proof(size: int, data: st.DataObject):
    hashes = [merkle.leaf_hash(b"%d" % number) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    assert merkle.path_in(merkle.levels(hashes), index) == merkle.inclusion_proof(hashes, index)
    assert merkle.levels(hashes)[-1] == [merkle.root(hashes)]
