"""Entries and deltas as columns say exactly what the plain entries say."""

import hashlib
import io
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.exclusions import Change, ChangeOp, Entry, EntryTable, KeyKind, leaves
from demur.exclusions.delta import Delta, Misfit
from demur.exclusions.entries import BadEntry, UnknownWord
from demur.exclusions.table import BadOrder
from demur.tlog import merkle
from demur.tlog.sha256 import LANES, SPARE, digests, tree_root
from tests.support.exclusion_lists import as_listed, entries, hexes, parquet, texts, uids


def read(data: bytes) -> EntryTable:
    return EntryTable.read(io.BytesIO(data))


some = st.sets(entries, max_size=12)
close = st.one_of(  # so alike that two random sets share some of them, and keys that begin alike
    st.builds(Entry, st.sampled_from([KeyKind.UID, KeyKind.URL, KeyKind.OWNER]), st.text("aé\U00010000", min_size=1, max_size=3)),
    st.builds(Entry, st.just(KeyKind.PHASH), st.sampled_from(["0" * 16, "1" * 16]), st.sampled_from(["0" * 64, "1" * 64])),
)
overlapping = st.sets(close, max_size=12)


@settings(deadline=None)
@given(st.lists(entries, max_size=12))
def test_a_table_holds_each_entry_once_in_canonical_order(listed: list[Entry]) -> None:
    table = EntryTable.of(listed)
    expected = sorted(set(listed))
    assert list(table) == expected == [table[position] for position in range(len(table))]
    assert table.counts == {kind: sum(entry.kind is kind for entry in expected) for kind in sorted({entry.kind for entry in expected})}
    for kind in KeyKind:
        assert table.keys_of(kind).to_pylist() == [entry.key for entry in expected if entry.kind is kind]
    assert list(table[1:7:2]) == expected[1:7:2]
    assert all(entry in table for entry in listed)
    assert Entry(KeyKind.UID, "never drawn: \x00") not in table


@settings(deadline=None)
@given(some)
def test_the_root_is_that_of_the_plain_leaves(listed: set[Entry]) -> None:
    plain = merkle.root(merkle.leaf_hash(entry.leaf) for entry in sorted(listed)).hex()
    assert EntryTable.of(listed).root() == plain


def test_the_root_of_many_blocks_of_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "_BLOCK", 8)
    for number in (1, 7, 8, 9, 15, 16, 17, 63, 100):
        table = EntryTable.of(uids(*map(str, range(number))))
        assert table.root() == merkle.root(merkle.leaf_hash(entry.leaf) for entry in table).hex()


def test_counts_and_root_of_nothing() -> None:
    nothing = EntryTable.of(())
    assert nothing.counts == {}
    assert nothing.root() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert read(nothing.parquet()) == nothing


@settings(deadline=None)
@given(st.lists(st.binary(max_size=400), min_size=1, max_size=LANES), st.integers(0, 3))
def test_compiled_sha256_is_sha256(messages: list[bytes], spare: int) -> None:
    rows = np.full((len(messages), max(map(len, messages)) + SPARE + spare), 0xEE, dtype=np.uint8)
    for row, message in zip(rows, messages, strict=True):
        row[: len(message)] = np.frombuffer(message, dtype=np.uint8)
    out = np.empty((len(messages), 8), dtype=np.uint32)
    digests(rows, np.array([*map(len, messages)]), out)
    assert [row.astype(">u4").tobytes() for row in out] == [hashlib.sha256(message).digest() for message in messages]


@settings(deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40))
def test_compiled_trees_are_merkle_trees(hashes: list[bytes]) -> None:
    rows = np.frombuffer(b"".join(hashes), dtype=">u4").astype(np.uint32).reshape(-1, 8)
    tree_root(rows)
    assert rows[0].astype(">u4").tobytes() == merkle.root(hashes)


@settings(deadline=None)
@given(some)
def test_a_table_survives_parquet(listed: set[Entry]) -> None:
    table = EntryTable.of(listed)
    assert read(table.parquet()) == read(as_listed(list(table))) == table


@settings(deadline=None)
@given(overlapping, overlapping)
def test_a_delta_leads_from_one_table_to_another_and_survives_parquet(before: set[Entry], after: set[Entry]) -> None:
    old, new = EntryTable.of(before), EntryTable.of(after)
    delta = Delta.between(old, new)
    assert [change.entry for change in delta if change.op is ChangeOp.ADD] == sorted(after - before)
    assert [change.entry for change in delta if change.op is ChangeOp.REMOVE] == sorted(before - after)
    assert (delta.added, delta.removed) == (len(after - before), len(before - after))
    assert delta.applied(old) == new
    assert Delta.read(io.BytesIO(delta.parquet())) == delta == Delta.of(list(delta)[::-1])


@settings(deadline=None)
@given(overlapping, overlapping, overlapping)
def test_two_deltas_in_a_row_collapse_into_one(first: set[Entry], second: set[Entry], third: set[Entry]) -> None:
    one, two, three = (EntryTable.of(listed) for listed in (first, second, third))
    assert Delta.between(one, two).then(Delta.between(two, three)) == Delta.between(one, three)


@settings(deadline=None)
@given(overlapping, close)
def test_a_delta_that_does_not_fit_is_refused(listed: set[Entry], entry: Entry) -> None:
    op = ChangeOp.ADD if entry in listed else ChangeOp.REMOVE
    misfit = Delta.of([Change(op, entry)])
    with pytest.raises(Misfit):
        misfit.applied(EntryTable.of(listed))
    with pytest.raises(Misfit):
        misfit.then(misfit)
    with pytest.raises(Misfit):
        Delta.of([Change(ChangeOp.ADD, entry), Change(ChangeOp.REMOVE, entry)])


def test_slices_of_keys_are_read_from_where_they_begin() -> None:
    table = EntryTable.of(uids("a", "bb", "ccc", "dddd"))
    part = EntryTable(table.kinds[1:3], table.keys.slice(1, 2), table.pdqs)
    assert list(read(part.parquet())) == list(part) == uids("bb", "ccc")
    assert part.root() == EntryTable.of(uids("bb", "ccc")).root()
    assert Delta.of([Change(ChangeOp.REMOVE, part[0]), Change(ChangeOp.ADD, uids("c")[0])]).applied(part) == EntryTable.of(uids("c", "ccc"))


def test_keys_of_all_lengths_and_row_groups_survive_parquet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demur.exclusions.parquet._GROUP", 3)
    monkeypatch.setattr("demur.exclusions.parquet._BATCH", 2)
    mixed = [Entry(KeyKind.PHASH, f"{number:016x}", f"{number:064x}") for number in range(8)]
    table = EntryTable.of([*mixed, *uids(*("x" * number for number in range(1, 8)))])
    assert read(table.parquet()) == table


loose = st.one_of(st.just(""), texts, hexes(16), hexes(63), hexes(64), hexes(64).map(str.upper), hexes(15).map(lambda text: text + "\n"))


@settings(deadline=None)
@given(st.sampled_from(KeyKind), loose, loose)
def test_columns_are_refused_exactly_where_an_entry_is(kind: KeyKind, key: str, pdq: str) -> None:
    data = parquet(kind=[kind.value], key=[key], pdq=[pdq])
    try:
        entry = Entry(kind, key, pdq)
    except BadEntry as refusal:
        with pytest.raises(BadEntry, match=re.escape(str(refusal))):
            read(data)
    else:
        assert list(read(data)) == [entry]


NO_UTF8 = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", pa.ArrowException),
        (b"PAR1PAR1", pa.ArrowException),
        (parquet(kind=["uid"], key=["a"]), pa.ArrowException),
        (parquet(key=["a"], kind=["uid"], pdq=[""]), pa.ArrowException),
        (parquet(kind=["uid"], key=[1], pdq=[""]), pa.ArrowException),
        (parquet(kind=["uid"], key=pa.array([None], pa.string()), pdq=[""]), pa.ArrowException),
        (parquet(kind=["uid"], key=NO_UTF8, pdq=[""]), pa.ArrowException),
        (parquet(kind=["colour"], key=["a"], pdq=[""]), UnknownWord),
        (parquet(kind=["sha256"], key=["a"], pdq=[""]), BadEntry),
        (parquet(kind=["uid", "uid"], key=["b", "a"], pdq=["", ""]), BadOrder),
        (parquet(kind=["uid", "uid"], key=["a", "a"], pdq=["", ""]), BadOrder),
        (parquet(kind=["uid", "owner"], key=["a", "a"], pdq=["", ""]), BadOrder),
        (parquet(kind=["phash", "uid", "phash"], key=["0" * 16, "a", "1" * 16], pdq=["0" * 64, "", "0" * 64]), BadOrder),
        (parquet(kind=["phash", "phash"], key=["0" * 16] * 2, pdq=["1" * 64, "0" * 64]), BadOrder),
    ],
)
def test_other_parquet_is_refused(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(data)


def test_a_lone_surrogate_is_no_key() -> None:
    with pytest.raises(BadEntry, match="surrogate"):
        EntryTable.of(uids("\ud800"))


def test_tables_of_other_entries_are_others() -> None:
    table: Any = EntryTable.of(uids("a"))
    assert table != EntryTable.of(uids("b"))
    assert table != uids("a")
    assert Delta.adding(table) != Delta.removing(table)
