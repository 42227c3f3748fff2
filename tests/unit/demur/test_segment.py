"""A segment finds exactly what a full scan finds."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.similarity.segment import MAX_RADIUS, Hits, Segment
from demur.similarity.tables import join
from demur.similarity.tables.build import build
from demur.similarity.tables.errors import IndexTooLarge, RadiusTooLarge, WrongRows
from demur.similarity.tables.layout import PERMUTATION, WIDEST, Layout

WORD = st.integers(0, 2**64 - 1)


@st.composite
def near(draw: st.DrawFn, originals: list[int]) -> int:
    """One of the originals, as it is or with a few bits turned over."""
    flips = draw(st.sets(st.integers(0, 63), max_size=14))
    return draw(st.sampled_from(originals)) ^ sum(1 << bit for bit in flips)


@st.composite
def corpora(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hashes full of copies and near copies, their rows in no order, and queries that lie among them or nowhere."""
    originals = [*draw(st.lists(WORD, min_size=1, max_size=4)), 0, 2**64 - 1]
    hashes = draw(st.lists(st.one_of(near(originals), WORD), max_size=60))
    rows = draw(st.lists(st.integers(0, 2**32 - 1), min_size=len(hashes), max_size=len(hashes), unique=True))
    queries = draw(st.lists(st.one_of(near(originals), WORD), max_size=8))
    return np.array(hashes, dtype=np.uint64), np.array(rows, dtype=np.uint32), np.array(queries, dtype=np.uint64)


def segment_of(path: Path, hashes: np.ndarray, rows: np.ndarray) -> Segment:
    Segment.build(path, lambda: iter([(hashes, rows)]), len(hashes))
    return Segment.open(path)


def full_scan(hashes: np.ndarray, rows: np.ndarray, queries: np.ndarray, radius: int) -> list[tuple[int, int, int]]:
    distances = np.bitwise_count(queries[:, None] ^ hashes[None, :])
    found = zip(*np.nonzero(distances <= radius), strict=True)
    return sorted((int(query), int(rows[at]), int(distances[query, at])) for query, at in found)


def listed(hits: Hits) -> list[tuple[int, int, int]]:
    return list(zip(hits.queries.tolist(), hits.rows.tolist(), hits.distances.tolist(), strict=True))


def listed_all(blocks: Iterable[Hits]) -> list[tuple[int, int, int]]:
    return sorted(hit for block in blocks for hit in listed(block))


@given(corpora(), st.integers(0, MAX_RADIUS))
def test_a_query_and_a_join_find_what_a_full_scan_finds(corpus: tuple[np.ndarray, np.ndarray, np.ndarray], radius: int) -> None:
    hashes, rows, queries = corpus
    with tempfile.TemporaryDirectory() as directory:
        segment = segment_of(Path(directory), hashes, rows)
        expected = full_scan(hashes, rows, queries, radius)
        assert listed(segment.query(queries, radius)) == expected
        assert listed_all(segment.join(queries, radius)) == expected


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Segment, np.ndarray, np.ndarray]:
    """30,000 rows around 300 pictures: large enough for buckets of ten bits, and every distance up to twelve occurs."""
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**64, 300, dtype=np.uint64)[rng.integers(0, 300, 30_000)]
    for _ in range(12):
        hashes ^= np.uint64(1) << rng.integers(0, 64, len(hashes), dtype=np.uint64) * rng.integers(0, 2, len(hashes), dtype=np.uint64)
    rows = rng.permutation(len(hashes)).astype(np.uint32)
    return segment_of(tmp_path_factory.mktemp("clustered"), hashes, rows), hashes, rows


@pytest.mark.parametrize("radius", range(MAX_RADIUS + 1))
def test_every_radius_is_exact(clustered: tuple[Segment, np.ndarray, np.ndarray], radius: int) -> None:
    segment, hashes, rows = clustered
    queries = hashes[::1000] ^ np.uint64(0b101 << 40)
    expected = full_scan(hashes, rows, queries, radius)
    assert listed(segment.query(queries, radius)) == expected
    assert listed_all(segment.join(queries, radius)) == expected


def test_a_popular_cluster_is_joined_in_bounded_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "BLOCK", 1000)
    hashes, rows = np.full(5000, 7, dtype=np.uint64), np.arange(5000, dtype=np.uint32)
    hashes[4000:] = 6
    queries = np.array([7, 7, 7, 6], dtype=np.uint64)
    blocks = list(segment_of(tmp_path, hashes, rows).join(queries, 2))
    assert max(map(len, blocks)) <= 2 * 1000
    assert listed_all(blocks) == full_scan(hashes, rows, queries, 2)
    assert all(listed(block) == sorted(listed(block)) for block in blocks)


def test_a_window_that_matches_millions_is_taken_in_parts(tmp_path: Path) -> None:
    hashes = np.zeros(1 << 13, dtype=np.uint64)
    for bit, source in enumerate(PERMUTATION[-13:]):
        hashes |= (np.arange(len(hashes), dtype=np.uint64) >> np.uint64(bit) & np.uint64(1)) << np.uint64(source)
    queries = hashes[::16]
    told: list[int] = []
    blocks = list(
        segment_of(tmp_path, hashes, np.arange(len(hashes), dtype=np.uint32)).join(queries, 11, lambda done, _: told.append(done))
    )
    pairs = np.concatenate([block.queries.astype(np.int64) << 32 | block.rows for block in blocks])
    assert len(told) > 3, "one window a table"
    assert told == sorted(told)
    assert np.array_equal(np.sort(pairs), np.sort(pairs_within(queries, hashes, 11)))


def pairs_within(queries: np.ndarray, hashes: np.ndarray, radius: int) -> np.ndarray:
    """Query number times 2³² plus row number."""
    numbers, rows = np.nonzero(np.bitwise_count(queries[:, None] ^ hashes[None, :]) <= radius)
    return numbers << 32 | rows


def test_a_join_reports_its_way(clustered: tuple[Segment, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "WINDOW_ENTRIES", 5000)
    segment, hashes, rows = clustered
    told: list[tuple[int, int]] = []
    found = listed_all(segment.join(hashes[:20], 8, lambda done, total: told.append((done, total))))
    assert found == full_scan(hashes, rows, hashes[:20], 8)
    assert len(told) >= 15
    assert told == sorted(told)
    assert told[-1] == (3 * len(segment), 3 * len(segment))


def test_a_scan_gives_every_pair(clustered: tuple[Segment, np.ndarray, np.ndarray]) -> None:
    segment, hashes, rows = clustered
    scanned = {(int(row), int(phash)) for phashes, numbers in segment.scan() for phash, row in zip(phashes, numbers, strict=True)}
    assert scanned == set(zip(rows.tolist(), hashes.tolist(), strict=True))


def test_radii_that_are_not_exact_are_refused(clustered: tuple[Segment, np.ndarray, np.ndarray]) -> None:
    segment, hashes, _ = clustered
    for radius in (-1, MAX_RADIUS + 1):
        with pytest.raises(RadiusTooLarge, match="0 to 11"):
            segment.query(hashes[:1], radius)
        with pytest.raises(RadiusTooLarge):
            segment.join(hashes[:1], radius)


@given(rows=st.integers(0, 2**32 - 1))
@settings(max_examples=500)
def test_directories_take_a_small_share_of_the_disk_and_no_table_more_bits_than_there_are(rows: int) -> None:
    layout = Layout.fit(rows)
    assert 4 * layout.firsts[-1] <= max(0.6 * rows, 800)
    assert sum(layout.widths) <= 64
    assert all(width <= widest for width, widest in zip(layout.widths, WIDEST, strict=True))


@given(widths=st.tuples(st.integers(4, 22), st.integers(4, 21), st.integers(4, 21)), flips=st.sets(st.integers(0, 63), max_size=MAX_RADIUS))
def test_however_the_differing_bits_lie_a_probed_bucket_is_met(widths: tuple[int, ...], flips: set[int]) -> None:
    probe = Layout(PERMUTATION, widths).probe(len(flips))
    difference = sum(1 << bit for bit in flips)
    inside = [(difference & int(chunk)).bit_count() for chunk in probe.chunks]
    assert any(bits <= limit for bits, limit in zip(inside, probe.limits, strict=True))


def test_a_billion_rows_use_all_bits() -> None:
    assert Layout.fit(1_100_000_000).widths == WIDEST


@given(WORD)
def test_a_permuted_hash_can_be_restored(phash: int) -> None:
    layout = Layout.fit(0)
    moved = sum((phash >> source & 1) << target for target, source in enumerate(PERMUTATION))
    octets = phash.to_bytes(8, "little")
    assert sum(int(layout.forward[place, octet]) for place, octet in enumerate(octets)) == moved
    back = moved.to_bytes(8, "little")
    assert sum(int(layout.backward[place, octet]) for place, octet in enumerate(back)) == phash


def test_more_rows_than_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexTooLarge, match="4,294,967,295"):
        build(tmp_path, lambda: iter(()), 1 << 32)


def test_other_rows_than_announced_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongRows, match="3 rows, and 2 were given"):
        build(tmp_path, lambda: iter([(np.zeros(2, dtype=np.uint64), np.arange(2, dtype=np.uint32))]), 3)


def test_a_finished_segment_is_not_changed_under_its_readers(tmp_path: Path) -> None:
    old = segment_of(tmp_path, np.arange(300, dtype=np.uint64), np.arange(300, dtype=np.uint32))
    segment_of(tmp_path, np.zeros(1, dtype=np.uint64), np.zeros(1, dtype=np.uint32))
    assert old.query(np.array([299], dtype=np.uint64), 0).rows.tolist() == [299]


def test_a_segment_of_three_rows_is_small(tmp_path: Path) -> None:
    segment = segment_of(tmp_path, np.arange(3, dtype=np.uint64), np.arange(3, dtype=np.uint32))
    assert segment.bytes_on_disk < 1000
    assert segment.query(np.array([1], dtype=np.uint64), 1).rows.tolist() == [0, 1]
