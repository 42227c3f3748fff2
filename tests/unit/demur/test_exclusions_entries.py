import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demur.digests import canonical_json
from demur.exclusions.entries import (
    BadEntry,
    Change,
    ChangeOp,
    Entry,
    KeyKind,
    UnknownWord,
    count_kinds,
    delta_parquet,
    entries_parquet,
    entries_root,
    read_delta,
    read_entries,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def hexes(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=length, max_size=length)


entries = st.one_of(
    st.builds(Entry, st.sampled_from([KeyKind.UID, KeyKind.URL, KeyKind.OWNER]), texts),
    st.builds(Entry, st.just(KeyKind.SHA256), hexes(64)),
    st.builds(Entry, st.just(KeyKind.PHASH), hexes(16), hexes(64)),
)


@given(entries)
def test_the_leaf_is_canonical_json(entry: Entry) -> None:
    assert entry.leaf == canonical_json([entry.kind, entry.key, entry.pdq])


@given(st.lists(entries))
def test_entries_and_deltas_survive_parquet(listed: list[Entry]) -> None:
    assert list(read_entries(entries_parquet(listed))) == listed
    changes = [Change(ChangeOp.REMOVE, entry) for entry in listed]
    assert list(read_delta(delta_parquet(changes))) == changes


@given(st.lists(entries, unique=True))
def test_the_order_of_entries_is_that_of_their_bytes(listed: list[Entry]) -> None:
    by_bytes = sorted(listed, key=lambda entry: (entry.kind.encode(), entry.key.encode(), entry.pdq.encode()))
    assert sorted(listed, key=lambda entry: entry.order) == sorted(listed) == by_bytes


@pytest.mark.parametrize(
    ("kind", "key", "pdq"),
    [
        (KeyKind.UID, "", ""),
        (KeyKind.UID, "a", "0" * 64),
        (KeyKind.SHA256, "A" * 64, ""),
        (KeyKind.SHA256, "0" * 63, ""),
        (KeyKind.SHA256, "0" * 64 + "\n", ""),
        (KeyKind.PHASH, "0" * 16, ""),
        (KeyKind.PHASH, "0x" + "0" * 14, "0" * 64),
        (KeyKind.PHASH, "0" * 16, "g" * 64),
    ],
)
def test_keys_of_another_form_are_refused(kind: KeyKind, key: str, pdq: str) -> None:
    with pytest.raises(BadEntry):
        Entry(kind, key, pdq)


def test_a_lone_surrogate_has_no_leaf() -> None:
    with pytest.raises(BadEntry):
        _ = Entry(KeyKind.UID, "\ud800").leaf


def parquet(**columns: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", pa.ArrowException),
        (b"PAR1PAR1", pa.ArrowException),
        (parquet(kind=["uid"], key=["a"]), pa.ArrowException),
        (parquet(key=["a"], kind=["uid"], pdq=[""]), pa.ArrowException),
        (parquet(kind=["uid"], key=[1], pdq=[""]), pa.ArrowException),
        (parquet(kind=["uid"], key=pa.array([None], pa.string()), pdq=[""]), pa.ArrowException),
        (parquet(kind=["colour"], key=["a"], pdq=[""]), UnknownWord),
        (parquet(kind=["sha256"], key=["a"], pdq=[""]), BadEntry),
    ],
)
def test_other_parquet_is_refused(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(read_entries(data))


def test_counts_and_root_of_nothing() -> None:
    assert count_kinds([]) == {}
    assert entries_root([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
