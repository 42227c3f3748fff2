import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.similarity.index import BLOCK, SimilarityIndex

PHASHES = st.lists(st.integers(0, 2**64 - 1), max_size=40)


def near(phash: int, flips: list[int]) -> int:
    for bit in flips:
        phash ^= 1 << bit
    return phash


FLIPS = st.lists(st.integers(0, 63), max_size=14)


@settings(max_examples=150, deadline=None)
@given(PHASHES, st.lists(st.tuples(st.integers(0, 39), FLIPS), max_size=20), st.integers(0, 64))
def test_the_index_finds_what_a_scan_finds(stored: list[int], derived: list[tuple[int, list[int]]], radius: int) -> None:
    queries = [near(stored[place % len(stored)], flips) for place, flips in derived if stored]
    expected = [
        (number, row, (query ^ phash).bit_count())
        for number, query in enumerate(queries)
        for row, phash in enumerate(stored)
        if (query ^ phash).bit_count() <= radius
    ]
    with tempfile.TemporaryDirectory() as directory:
        SimilarityIndex.build(Path(directory) / "index", np.array(stored, dtype=np.uint64))
        hits = SimilarityIndex.open(Path(directory) / "index").query(np.array(queries, dtype=np.uint64), radius)
    assert list(zip(hits.queries.tolist(), hits.rows.tolist(), hits.distances.tolist(), strict=True)) == expected


def test_rows_beyond_the_first_block_are_found_under_their_own_numbers(tmp_path: Path) -> None:
    phashes = np.random.default_rng(0).integers(0, 2**64, 2 * BLOCK + 17, dtype=np.uint64)
    rows = np.arange(len(phashes), dtype=np.uint32) * 3
    SimilarityIndex.build(tmp_path / "index", phashes, rows)
    hits = SimilarityIndex.open(tmp_path / "index").query(phashes[[BLOCK + 5, 3, 2 * BLOCK + 16]], 0)
    assert hits.rows.tolist() == [3 * (BLOCK + 5), 9, 3 * (2 * BLOCK + 16)]
    assert hits.queries.tolist() == [0, 1, 2]
