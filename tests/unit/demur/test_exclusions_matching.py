"""Which rows a list excludes: every column type, and the fast tables against the plain definition."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from demur.exclusions import Entry, EntryTable, KeyKind
from demur.exclusions.columns import BadKeyColumn, NoKeyColumn
from demur.exclusions.keytable import KeyTable
from demur.exclusions.matching import Matcher
from demur.exclusions.near import NearTable
from demur.exclusions.numbers import NumberSet
from demur.similarity.rules import PHASH_RADIUS, MatchKind, classify

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None)
@given(st.sets(texts), st.lists(st.none() | texts), st.integers(0, 3))
def test_key_tables_find_exactly_the_keys(keys: set[str], asked: list[str | None], skipped: int) -> None:
    ordered = sorted(keys)
    column = pa.array([*asked, *ordered], pa.large_string()).slice(skipped)
    found = KeyTable(pa.array(ordered, pa.large_string())).find(column)
    assert found.tolist() == [ordered.index(text) if text in keys else -1 for text in column.to_pylist()]


def test_key_tables_find_many_keys() -> None:
    keys = pa.array([f"https://photos.example/{number}.jpg" for number in range(50_000)], pa.large_string())
    table = KeyTable(keys)
    assert np.array_equal(table.find(keys), np.arange(50_000))
    assert np.all(table.find(pa.array([f"https://photos.example/{number}.png" for number in range(1000)], pa.large_string())) == -1)


@pytest.mark.parametrize("size", [2, 1000])
def test_keys_whose_digests_are_the_same_are_told_apart(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("secrets.randbits", lambda bits: 0)  # without its secrets, the digest of eight zeros and anything after them is 0
    texts = pa.array([f"\0\0\0\0\0\0\0\0{number:08}" for number in range(2 * size)], pa.large_string())
    found = KeyTable(texts.slice(0, size)).find(texts)
    assert found.tolist() == [*range(size), *[-1] * size]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_texts_of_every_length_are_found(kind: pa.DataType) -> None:
    texts = ["é" * (length // 2) + "x" * (length % 2) for length in range(1, 70)]
    others = [text[:-1] + "y" for text in texts]
    table = KeyTable(pa.array(texts, pa.large_string()))
    assert table.find(pa.array([*others, None, "", *texts], kind)).tolist() == [*[-1] * (len(others) + 2), *range(len(texts))]


NEARLY_NUMBERS = [
    "",
    "-",
    "-0",
    "00",
    "07",
    "+7",
    " 7",
    "7 ",
    "7.0",
    "1e3",
    "-07",
    "٣",
    "9" * 19,
    "9" * 20,
    "1" + "0" * 19,
    f"{2**63}",
    f"-{2**63 + 1}",
]
numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-20, 20)


@settings(deadline=None)
@given(st.sets(numbers.map(str) | st.sampled_from(NEARLY_NUMBERS)), st.lists(st.none() | numbers), st.integers(0, 3))
def test_numbers_are_found_by_exactly_their_text(keys: set[str], asked: list[int | None], skipped: int) -> None:
    there = [int(key) for key in keys if key not in NEARLY_NUMBERS]
    column = pa.array([*asked, *there], pa.int64()).slice(skipped)
    found = NumberSet(pa.array(sorted(keys), pa.large_string())).has(column)
    assert found.tolist() == [number is not None and str(number) in keys for number in column.to_pylist()]


@pytest.mark.parametrize("key", NEARLY_NUMBERS)
def test_text_that_no_number_is_shown_as_matches_none(key: str) -> None:
    values = [0, 3, 7, -7, 1000, 2**63 - 1, -(2**63), 10**18, -1]
    assert not NumberSet(pa.array([key], pa.large_string())).has(pa.array(values)).any()


def test_many_numbers_are_found() -> None:
    numbers = np.random.default_rng(0).integers(-(2**63), 2**63, 200_000)
    listed = NumberSet(pa.array(numbers[:100_000]).cast(pa.large_string()))
    assert listed.has(pa.array(numbers)).tolist() == [True] * 100_000 + [False] * 100_000


def perceptual(phashes: NDArray[np.uint64], pdqs: NDArray[np.uint8], qualities: NDArray[np.uint8]) -> pa.Table:
    pdq = pa.array([row.tobytes() for row in pdqs], pa.binary(32))
    return pa.table({"phash": phashes, "pdq": pdq, "pdq_quality": qualities})


def _flip(rng: np.random.Generator) -> int:
    return sum(1 << int(bit) for bit in rng.choice(64, rng.integers(0, 15), replace=False))


def near_rows(rng: np.random.Generator, entries: int, rows: int) -> tuple[Any, ...]:
    """Rows at all distances around the bounds: entries with 0 to 14 bits of phash and 0 to 40 bits of pdq flipped."""
    phashes, pdqs = rng.integers(0, 2**64, entries, dtype=np.uint64), rng.integers(0, 256, (entries, 32), dtype=np.uint8)
    origin = rng.integers(0, entries, rows)
    flips = np.array([_flip(rng) for _ in range(rows)], dtype=np.uint64)
    masks = np.zeros((rows, 256), dtype=np.uint8)
    for mask in masks:
        mask[rng.choice(256, rng.integers(0, 41), replace=False)] = 1
    return phashes, pdqs, phashes[origin] ^ flips, pdqs[origin] ^ np.packbits(masks, axis=1), rng.integers(40, 61, rows).astype(np.uint8)


@pytest.mark.parametrize("entries", [7, 1500])
def test_near_duplicates_are_those_of_the_rules(entries: int) -> None:
    phashes, pdqs, row_phashes, row_pdqs, qualities = near_rows(np.random.default_rng(entries), entries, 400)
    found = NearTable(phashes, pdqs.view(np.uint64)).find(row_phashes, row_pdqs.view(np.uint64), qualities)
    for row in range(400):
        phash_distances = np.bitwise_count(phashes ^ row_phashes[row])
        pdq_distances = np.bitwise_count(pdqs ^ row_pdqs[row]).sum(axis=1)
        expected = {
            entry
            for entry in np.flatnonzero(phash_distances <= PHASH_RADIUS)
            if classify(
                same_bytes=False,
                phash_distance=int(phash_distances[entry]),
                pdq_distance=int(pdq_distances[entry]),
                quality=int(qualities[row]),
                other_quality=50,
            )
            is MatchKind.CONFIRMED
        }
        assert found[row] in expected if expected else found[row] == -1


SHA, PHASH, PDQ = "ab" * 32, 0x0123456789ABCDEF, bytes(range(32))
ENTRIES = [
    Entry(KeyKind.OWNER, "bob"),
    Entry(KeyKind.PHASH, f"{PHASH:016x}", PDQ.hex()),
    Entry(KeyKind.SHA256, SHA),
    Entry(KeyKind.UID, "7"),
    Entry(KeyKind.URL, "http://x/é"),
]


def test_each_kind_excludes_by_its_column_and_a_row_counts_once() -> None:
    table = pa.table(
        {
            "uid": ["7", "2", "3", "4", "5", "6"],
            "sha256": [SHA, SHA.upper(), None, None, None, None],
            "url": ["http://x/é", None, "http://x/é", None, None, "http://x/e"],
            "owner": ["bob", "bob", "bob", "bob", None, "Bob"],
            "phash": pa.array([None, None, None, None, PHASH, PHASH], pa.uint64()),
            "pdq": pa.array([None, None, None, None, PDQ, PDQ], pa.binary(32)),
            "pdq_quality": pa.array([90, 90, 90, 90, 50, 49], pa.uint8()),
        }
    )
    judgement = Matcher(EntryTable.of(ENTRIES)).judge(table)
    assert judgement.keep.to_pylist() == [False] * 5 + [True]
    assert judgement.dropped == dict.fromkeys(KeyKind, 1)
    assert judgement.not_applied == ()


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["7", "8"]),
        pa.array(["7", "8"], pa.large_string()),
        pa.array(["7", "8"], pa.string_view()),
        pa.array(["7", "8"]).dictionary_encode(),
        pa.array([7, 8]),
        pa.chunked_array([["7"], ["8"]]),
        pa.array(["x", "7", "8"]).slice(1),
    ],
)
def test_text_of_every_type_is_compared(column: Any) -> None:
    assert Matcher(EntryTable.of(ENTRIES)).judge(pa.table({"uid": column})).keep.to_pylist() == [False, True]


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.int16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()])
@pytest.mark.parametrize("name", ["uid", "owner", "url"])
def test_whole_numbers_of_every_type_are_their_decimal_text(kind: pa.DataType, name: str) -> None:
    matcher = Matcher(EntryTable.of([Entry(KeyKind(name), "7"), Entry(KeyKind(name), "08"), Entry(KeyKind(name), "x")]))
    for column in (
        pa.array([7, 8, None], kind),
        pa.array([7, 8, None], kind).dictionary_encode(),
        pa.chunked_array([[7], [8, None]], kind),
    ):
        judgement = matcher.judge(pa.table({name: column}))
        assert (judgement.kinds >= 0).tolist() == [True, False, False]
        assert judgement.keep.to_pylist() == [False, True, False]  # nothing can be said of a row without a key


def test_whole_numbers_beyond_int64_are_compared_too() -> None:
    matcher = Matcher(EntryTable.of([Entry(KeyKind.UID, str(2**64 - 1)), Entry(KeyKind.UID, "-1")]))
    column = pa.array([2**64 - 1, 2**64 - 2, None, 1], pa.uint64())
    assert (matcher.judge(pa.table({"uid": column})).kinds >= 0).tolist() == [True, False, False, False]
    assert matcher.judge(pa.table({"uid": pa.array([-1, 1])})).keep.to_pylist() == [False, True]


def test_int64_phashes_have_the_same_bits() -> None:
    entry = Entry(KeyKind.PHASH, "f" * 16, PDQ.hex())
    table = pa.table({"phash": pa.array([-1], pa.int64()), "pdq": pa.array([PDQ]), "pdq_quality": [99]})
    assert Matcher(EntryTable.of([entry])).judge(table).dropped == {KeyKind.PHASH: 1}


def test_kinds_without_columns_are_told() -> None:
    judgement = Matcher(EntryTable.of(ENTRIES)).judge(pa.table({"uid": ["1"], "phash": pa.array([PHASH], pa.uint64())}))
    assert set(judgement.not_applied) == set(KeyKind) - {KeyKind.UID}
    assert judgement.keep.to_pylist() == [True]


def test_empty_tables_and_empty_lists_keep_everything() -> None:
    assert Matcher(EntryTable.of([])).judge(pa.table({"uid": ["7"]})).keep.to_pylist() == [True]
    assert (
        Matcher(EntryTable.of(ENTRIES)).judge(pa.schema([("uid", pa.string()), ("owner", pa.string())]).empty_table()).keep.to_pylist()
        == []
    )
    empty = pa.schema([("phash", pa.uint64()), ("pdq", pa.binary(32)), ("pdq_quality", pa.uint8())]).empty_table()
    assert Matcher(EntryTable.of(ENTRIES)).judge(empty).dropped == {}


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"uid": [True]}),
        pa.table({"url": [["a"]]}),
        pa.table({"uid": [{"a": "b"}]}),
        pa.table({"sha256": [7]}),
        pa.table([["7"], ["8"]], names=["uid", "uid"]),
        pa.table({"phash": [-1.5], "pdq": [PDQ], "pdq_quality": [9]}),
    ],
)
def test_columns_that_cannot_be_compared_are_refused(table: pa.Table) -> None:
    with pytest.raises(BadKeyColumn):
        Matcher(EntryTable.of(ENTRIES)).judge(table)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (pa.table({"uid": [1.5]}), "uid: a number that is not whole"),
        (pa.table({"uid": [b"\xff"]}), "uid: bytes that are not UTF-8 text"),
        (pa.table({"uid": ["x"], "sha256": ["0" * 32]}), "sha256: an MD5 digest"),
        (pa.table({"phash": [1], "pdq": [b"short"], "pdq_quality": [9]}), "pdq: not a PDQ hash of 256 bits"),
        (pa.table({"phash": [1], "pdq": [PDQ], "pdq_quality": [999]}), "pdq_quality: not a whole number from 0 to 100"),
        (pa.table({"uid": pa.nulls(1)}), "no uid"),
    ],
)
def test_rows_that_cannot_be_compared_are_not_kept_and_counted_by_reason(table: pa.Table, reason: str) -> None:
    judgement = Matcher(EntryTable.of(ENTRIES)).judge(table)
    assert judgement.keep.to_pylist() == [False]
    assert [(fault.reason, fault.positions.tolist()) for fault in judgement.unreadable] == [(reason, [0])]


def test_a_row_that_is_excluded_by_another_key_is_not_counted_as_unreadable() -> None:
    judgement = Matcher(EntryTable.of(ENTRIES)).judge(pa.table({"uid": ["7", "8"], "sha256": ["?", "?"]}))
    assert (judgement.dropped, [fault.positions.tolist() for fault in judgement.unreadable]) == ({KeyKind.UID: 1}, [[1]])


def test_a_table_without_any_key_column_is_refused() -> None:
    with pytest.raises(NoKeyColumn):
        Matcher(EntryTable.of(ENTRIES)).judge(pa.table({"caption": ["x"]}))


def test_single_rows_are_explained() -> None:
    matcher = Matcher(EntryTable.of(ENTRIES))
    assert matcher.explain({"uid": "1", "owner": "bob", "caption": "x"}) == ENTRIES[0]
    assert matcher.explain({"uid": 7}) == matcher.explain({"uid": np.int64(7)}) == ENTRIES[3]
    assert matcher.explain({"uid": 8}) is None
    assert matcher.explain({"phash": PHASH ^ 0x3FF, "pdq": PDQ, "pdq_quality": 50}) == ENTRIES[1]
    assert matcher.explain({"phash": PHASH ^ 0x7FF, "pdq": PDQ, "pdq_quality": 50}) is None
    assert matcher.explain({"phash": None, "pdq": None, "pdq_quality": None, "uid": None}) is None
    with pytest.raises(BadKeyColumn):
        matcher.explain({"phash": "xyz", "pdq": PDQ, "pdq_quality": 50})
