"""An index finds what a scan of all live rows finds, whatever was added, removed, replaced, compacted and reopened before."""

import itertools
import os
import resource
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from demur.similarity.index import (
    IndexTooLarge,
    NoSpace,
    NotAnIndex,
    PositionsOutside,
    RadiusTooLarge,
    Shards,
    SimilarityIndex,
    SourceRows,
    TornIndex,
    UnknownSource,
    writing,
)
from demur.similarity.index.delta import ENOUGH, Delta
from demur.similarity.index.generation import NUMBERS
from demur.similarity.tables import build
from tests.support.indexes import batches, found, hits, scanned

FEW = 6
"""So few rows are a delta in these tests, so that small examples have segments and merges, too."""
PHASHES = st.integers(0, 2**64 - 1) | st.integers(0, 255)
ROWS = st.dictionaries(st.integers(0, 29), PHASHES, max_size=24)
NAMES = st.sampled_from(["summer", "autumn", "winter", "größe/3"])


@pytest.fixture(autouse=True)
def small_deltas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "DELTA_ROWS", FEW)


class Histories(RuleBasedStateMachine):
    """Random histories of an index beside a dictionary of what it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.index = SimilarityIndex.create(self.directory / "index")
        self.held: dict[str, dict[int, int]] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.directory)

    @rule(name=NAMES, rows=ROWS | st.just({}))
    def add_or_replace(self, name: str, rows: dict[int, int]) -> None:
        self.index = self.index.add(name, batches(rows), 30 if rows else 0)
        self.held[name] = rows

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        self.index = self.index.remove(name)
        del self.held[name]

    @precondition(lambda self: self.held)
    @rule(data=st.data(), positions=st.sets(st.integers(0, 29), max_size=9))
    def remove_rows(self, data: st.DataObject, positions: set[int]) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        positions = positions if self.index.described.find(name).rows else set()
        self.index = self.index.remove(name, np.array(sorted(positions), dtype=np.int64))
        self.held[name] = {position: phash for position, phash in self.held[name].items() if position not in positions}

    @rule()
    def compact(self) -> None:
        self.index = self.index.compact()
        assert self.index.rows == sum(map(len, self.held.values()))

    @rule()
    def reopen(self) -> None:
        self.index = SimilarityIndex.open(self.index.path)

    @rule(radius=st.integers(0, 11), strangers=st.lists(PHASHES, max_size=3), flips=st.sets(st.integers(0, 63), max_size=11))
    def search(self, radius: int, strangers: list[int], flips: set[int]) -> None:
        stored = [phash for rows in self.held.values() for phash in rows.values()]
        mask = sum(1 << bit for bit in flips)
        queries = [*strangers, *stored[:3], *(phash ^ mask for phash in stored[-3:])]
        assert found(self.index, queries, radius) == scanned(self.held, queries, radius)

    @rule(radius=st.integers(0, 11), names=st.sets(NAMES))
    def search_some_sources(self, radius: int, names: set[str]) -> None:
        some = {name: rows for name, rows in self.held.items() if name in names}
        queries = [phash for rows in self.held.values() for phash in rows.values()]
        result = self.index.query(np.array(queries, dtype=np.uint64), radius, list(some))
        assert sorted(hits(self.index, result)) == scanned(some, queries, radius)

    @invariant()
    def nothing_is_left_over(self) -> None:
        assert set(self.index.sources) == set(self.held)
        assert {path.name for path in self.index.path.iterdir()} == {"index.json", "writer.lock", *self.index.described.files}
        self.index.verify()


Histories.TestCase.settings = settings(max_examples=40, stateful_step_count=10, deadline=None)
TestHistories = Histories.TestCase


def test_many_rows_are_merged_into_few_tables(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    held = {f"m{number}": dict(enumerate(rng.integers(0, 2**64, 40, dtype=np.uint64).tolist())) for number in range(20)}
    index = SimilarityIndex.create(tmp_path / "index")
    for name, rows in held.items():
        index = index.add(name, batches(rows), 40)
    sizes = [segment.rows for segment in index.described.segments]
    assert all(older > 2 * newer for older, newer in itertools.pairwise(sizes))
    queries = [rows[17] ^ 0b1011 for rows in held.values()]
    assert found(index, queries, 8) == scanned(held, queries, 8)


def test_numbers_of_removed_rows_are_used_again_once_they_are_compacted_away(tmp_path: Path) -> None:
    index = SimilarityIndex.create(tmp_path / "index").add("a", batches({0: 1}), 100).add("b", batches({0: 2}), 50).remove("a")
    assert index.described.room(1) == 150
    index = index.compact()
    assert index.described.room(100) == 0
    assert found(index.add("c", batches({99: 3}), 100), [2, 3], 0) == [(0, "b", 0, 0), (1, "c", 99, 0)]


def test_a_source_without_rows_hides_no_other(tmp_path: Path) -> None:
    held = {"before": {}, "full": {number: number for number in range(20)}, "after": {}}
    index = SimilarityIndex.build(tmp_path / "index", lambda: [SourceRows(name, len(rows), batches(rows)) for name, rows in held.items()])
    assert set(index.sources) == set(held)
    for changed in (index, index.add("more", batches({0: 99}), 1), index.refreshed().compact()):
        assert found(changed, [7], 0) == [(0, "full", 7, 0)]
    assert len(index.refreshed().query(np.array([7], dtype=np.uint64), 0, ["before", "after"])) == 0


def test_numbers_of_replaced_rows_are_taken_back_before_a_source_is_refused(tmp_path: Path) -> None:
    third = NUMBERS // 3
    index = SimilarityIndex.create(tmp_path / "index").add("small", batches({4: 5}), 5)
    for number in range(7):
        index = index.add("large", batches({third - 6: 100 + number}), third - 5)
        assert found(index, [99 + number, 100 + number, 5], 0) == [(1, "large", third - 6, 0), (2, "small", 4, 0)]
    half = NUMBERS // 2 + 9
    index = index.remove("large").add("half", batches({half - 1: 1}), half).add("half", batches({half - 1: 2}), half)
    assert found(index, [1, 2], 0) == [(1, "half", half - 1, 0)]
    with pytest.raises(IndexTooLarge):
        index.add("other", batches({0: 1}), half)
    assert index.refreshed() is index


def test_more_rows_than_there_are_numbers_are_refused(tmp_path: Path) -> None:
    index = SimilarityIndex.create(tmp_path / "index").add("most", batches({NUMBERS - 2: 1}), NUMBERS - 1)
    with pytest.raises(IndexTooLarge, match="shards"):
        index.add("rest", batches({0: 2}), 2)
    assert found(index.refreshed().add("rest", batches({0: 3}), 1), [1, 3], 0) == [(0, "most", NUMBERS - 2, 0), (1, "rest", 0, 0)]


def test_what_cannot_be_asked_or_removed_is_named(tmp_path: Path) -> None:
    index = SimilarityIndex.create(tmp_path / "index").add("a", batches({0: 1}), 10)
    asked = np.zeros(1, dtype=np.uint64)
    with pytest.raises(RadiusTooLarge):
        index.query(asked, 12)
    with pytest.raises(UnknownSource, match="b"):
        index.query(asked, 3, ["a", "b"])
    with pytest.raises(UnknownSource):
        index.remove("b")
    for outside in (-1, 10):
        with pytest.raises(PositionsOutside, match="10 rows"):
            index.remove("a", np.array([outside]))
    with pytest.raises(PositionsOutside):
        index.add("c", batches({10: 1}), 10)
    assert index.refreshed() is index, "a refused change is no change"


def test_a_replaced_source_is_never_seen_twice_or_not_at_all(tmp_path: Path) -> None:
    """Readers in threads, while a writer replaces a source over and over, and compacts."""
    index = SimilarityIndex.create(tmp_path / "index").add("a", batches(dict.fromkeys(range(20), 7)), 20)
    stop, wrong = threading.Event(), []

    def read() -> None:
        newest = index
        while not stop.is_set():
            newest = newest.refreshed()
            positions = newest.query(np.array([7], dtype=np.uint64), 2).positions.tolist()
            if positions != list(range(20)):
                wrong.append(positions)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    written = index
    for _ in range(5):
        written = written.add("a", batches(dict.fromkeys(range(20), 7)), 20)
        written = written.compact()
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_a_reader_keeps_its_generation_until_it_asks_for_the_newer_one(tmp_path: Path) -> None:
    old = SimilarityIndex.create(tmp_path / "index").add("a", batches({number: number for number in range(20)}), 20)
    new = old.remove("a").add("b", batches({3: 5}), 4).compact()
    assert not (old.path / next(iter(old.described.files))).exists(), "the files are gone"
    assert found(old, [5], 0) == [(0, "a", 5, 0)]
    assert found(new, [5], 0) == found(old.refreshed(), [5], 0) == [(0, "b", 3, 0)]
    assert new.refreshed() is new


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    index = SimilarityIndex.create(tmp_path / "index")
    inside, leave = threading.Event(), threading.Event()

    def slow():
        inside.set()
        leave.wait()
        yield from batches({0: 1})()

    writers = [
        threading.Thread(target=index.add, args=("slow", slow, 1)),
        threading.Thread(target=index.add, args=("fast", batches({0: 2}), 1)),
    ]
    writers[0].start()
    inside.wait()
    writers[1].start()
    time.sleep(0.1)
    assert index.refreshed() is index
    leave.set()
    for writer in writers:
        writer.join()
    assert found(index.refreshed(), [1, 2], 0) == [(0, "slow", 0, 0), (1, "fast", 0, 0)]


def test_another_process_reads_while_one_writes(tmp_path: Path) -> None:
    index = SimilarityIndex.create(tmp_path / "index").add("a", batches(dict.fromkeys(range(20), 7)), 20)
    reader = os.fork()
    if reader == 0:
        newest, good = index, True
        while "end" not in newest.sources:
            newest = newest.refreshed()
            good &= newest.query(np.array([7], dtype=np.uint64), 0, ["a"]).positions.tolist() == list(range(20))
        os._exit(0 if good else 1)
    for _ in range(5):
        index.add("a", batches(dict.fromkeys(range(20), 7)), 20).compact()
    index.add("end", batches({}), 1)
    assert os.waitpid(reader, 0)[1] == 0


def test_a_full_disk_ends_a_change_and_what_was_finished_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "PARTITION_ROWS", 1 << 8)
    rows = dict(enumerate(np.random.default_rng(0).integers(0, 2**64, 4000, dtype=np.uint64).tolist()))
    index = SimilarityIndex.create(tmp_path / "index")
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        try:
            index.add("a", batches(rows, 500), 4000, identity="the rows of a")
        except NoSpace:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    (half,) = index.path.glob("segment-*")
    told: list[int] = []
    index = index.add("a", batches(rows, 500), 4000, identity="the rows of a", progress=lambda done, total: told.append(done))
    assert [table.name for table in index.described.segments] == [half.name]
    assert told[0] > 4000, "the rows were dealt out, and some of them sorted"
    assert found(index, [rows[3999]], 0) == [(0, "a", 3999, 0)]


def test_an_index_is_verified_with_progress(whole: SimilarityIndex) -> None:
    told: list[tuple[int, int]] = []
    whole.verify(lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_a_delta_is_joined_in_bounded_blocks() -> None:
    delta = Delta(np.zeros(50_000, dtype=np.uint64), np.arange(50_000, dtype=np.uint32))
    blocks = [(len(hits), hits.queries[0], hits.queries[-1]) for hits in delta.join(np.zeros(70, dtype=np.uint64), 3)]
    assert sum(size for size, _, _ in blocks) == 50_000 * 70
    assert max(size for size, _, _ in blocks) <= ENOUGH + 50_000
    assert [first for _, first, _ in blocks[1:]] == [last + 1 for _, _, last in blocks[:-1]]


@pytest.fixture
def whole(tmp_path: Path) -> SimilarityIndex:
    """With a segment, a delta and tombstones."""
    index = SimilarityIndex.create(tmp_path / "index").add("a", batches({number: number for number in range(20)}), 20)
    return index.add("b", batches({0: 99}), 5).remove("a", np.array([4]))


@pytest.mark.parametrize("file", ["index.json", "delta-*", "tombstones-*", "segment-*/segment.json", "segment-*/*"])
@pytest.mark.parametrize("harm", ["cut", "flip", "gone"])
def test_a_torn_index_is_refused_by_name(whole: SimilarityIndex, file: str, harm: str) -> None:
    for torn in list(whole.path.glob(file)):
        data = torn.read_bytes()
        match harm:
            case "cut":
                torn.write_bytes(data[:-1])
            case "flip":
                middle = len(data) // 2
                torn.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
            case "gone":
                torn.unlink()
        with pytest.raises((TornIndex, NotAnIndex), match=r"index|segment|delta|tombstones"):
            SimilarityIndex.open(whole.path).verify()
        torn.write_bytes(data)
    SimilarityIndex.open(whole.path).verify()


def test_an_index_of_another_version_is_left_as_it_is(whole: SimilarityIndex) -> None:
    description = (whole.path / "index.json").read_bytes().replace(b"demur-similarity-index/1", b"demur-similarity-index/2")
    (whole.path / "index.json").write_bytes(description)
    before = {file: file.read_bytes() for file in whole.path.rglob("*") if file.is_file()}
    with pytest.raises(NotAnIndex, match="this version reads"):
        SimilarityIndex.create(whole.path)

    def failing():
        raise ValueError("the source cannot be read")

    with pytest.raises(ValueError, match="the source"):
        SimilarityIndex.build(whole.path, lambda: [SourceRows("a", 1, failing)])
    assert {file: file.read_bytes() for file in whole.path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("content", ["{}", "[]", '{"format": "demur-similarity-index/2"}', "null", '{"format": "something else"}'])
def test_a_foreign_index_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(NotAnIndex, match=r"index\.json"):
        SimilarityIndex.open(tmp_path)
    with pytest.raises(NotAnIndex, match=r"index\.json"):
        SimilarityIndex.create(tmp_path)
    with pytest.raises(NotAnIndex, match="empty place"):
        SimilarityIndex.build(tmp_path, list)
    with pytest.raises(NotAnIndex):
        SimilarityIndex.open(tmp_path / "nowhere")


def test_a_damaged_index_is_built_anew_in_its_place(whole: SimilarityIndex) -> None:
    (whole.path / "index.json").write_text("{")
    with pytest.raises(TornIndex):
        SimilarityIndex.open(whole.path)
    new = SimilarityIndex.build(whole.path, lambda: [SourceRows("a", 20, batches({3: 3})), SourceRows("b", 5, batches({0: 99}))])
    assert found(new, [3, 99], 0) == [(0, "a", 3, 0), (1, "b", 0, 0)]
    assert {path.name for path in new.path.iterdir()} == {"index.json", "writer.lock", *new.described.files}


def test_shards_of_row_ranges_answer_as_one_index_would(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = dict(enumerate((rng.integers(0, 2**64, 60, dtype=np.uint64) & np.uint64(0xFFFF)).tolist()))
    one = SimilarityIndex.create(tmp_path / "one").add("m", batches(rows), 60).add("n", batches({0: 1, 1: 0xFF}), 2)

    def shard(start: int, stop: int) -> SimilarityIndex:
        part = {position - start: phash for position, phash in rows.items() if start <= position < stop}
        wanted = [SourceRows("m", stop - start, batches(part), first=start)]
        return SimilarityIndex.build(tmp_path / f"{start}", lambda: wanted)

    parts = [shard(0, 25), shard(25, 31), shard(31, 60)]
    parts[1] = parts[1].add("n", batches({0: 1, 1: 0xFF}), 2)
    shards = Shards(tuple(parts))
    queries = list(rows.values())[::7]
    for radius in (0, 3, 6):
        assert found(shards, queries, radius) == found(one, queries, radius) != []
    with pytest.raises(UnknownSource):
        shards.query(np.zeros(1, dtype=np.uint64), 0, ["o"])
