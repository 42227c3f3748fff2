import pytest
from hypothesis import given
from hypothesis import strategies as st

from demur.digests import canonical_json
from demur.exclusions.entries import BadEntry, Entry, KeyKind
from tests.support.exclusion_lists import entries


@given(entries)
def test_the_leaf_is_canonical_json(entry: Entry) -> None:
    assert entry.leaf == canonical_json([entry.kind, entry.key, entry.pdq])


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
