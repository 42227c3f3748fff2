"""A fault at any point of a change leaves the old generation or the new one, whole, and the next writer works.

The points are all openings for writing, renames, removals and directories made, as Python's audit hooks tell of them (PEP 578). At each in
turn the process is killed, or the call fails as a broken disk makes it fail. What a segment does for itself while it is built has its own
tests.
"""

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from demur.similarity.index import SegmentError, SimilarityIndex, SourceRows, writing
from tests.support.indexes import Hit, batches, found

Change = Callable[[SimilarityIndex], object]
SUMMER = {number: number for number in range(20)}
AUTUMN = {number: 100 + number for number in range(9)}
WINTER = {number: 200 + number for number in range(12)}
QUERIES = [*SUMMER.values(), *AUTUMN.values(), *WINTER.values()]
CHANGES: dict[str, Change] = {
    "add a delta": lambda index: index.add("winter", batches({0: 200}), 1),
    "add a segment": lambda index: index.add("winter", batches(WINTER), 12),
    "replace": lambda index: index.add("summer", batches(WINTER), 20),
    "remove": lambda index: index.remove("summer"),
    "remove rows": lambda index: index.remove("summer", np.array([2, 3])),
    "compact": lambda index: index.compact(),
    "rebuild": lambda index: SimilarityIndex.build(index.path, lambda: [SourceRows("winter", 12, batches(WINTER), "w")]),
}


class Faults:
    """An audit hook, which lives as long as the process: counts the points below ``directory``, and strikes at one of them."""

    def __init__(self) -> None:
        self.directory: Path | None = None
        self.seen, self.fatal = 0, -1
        self.strike: Callable[[], object] = lambda: None
        sys.addaudithook(self._hear)

    @contextmanager
    def below(self, directory: Path, fatal: int, strike: Callable[[], object]) -> Iterator[None]:
        self.directory, self.seen, self.fatal, self.strike = directory, 0, fatal, strike
        try:
            yield
        finally:
            self.directory = None

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.directory is None or not _changes_files(event, arguments):
            return
        where = str(arguments[0])
        if str(self.directory) not in where or "building.json" in where or "spill" in where:
            return
        self.seen += 1
        if self.seen == self.fatal:
            self.strike()


def _changes_files(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        flags = arguments[2]
        return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "shutil.rmtree")


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An index with a segment, deltas, a removed source and tombstones. Few rows are a delta throughout these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "DELTA_ROWS", 6)
        index = SimilarityIndex.create(tmp_path_factory.mktemp("crashes") / "before").add("summer", batches(SUMMER), 20)
        index = index.add("gone", batches({0: 1, 1: 2}), 2).add("autumn", batches(dict(list(AUTUMN.items())[:3])), 9)
        yield index.remove("gone").remove("summer", np.array([7])).path


def points(faults: Faults, before: Path, scratch: Path, change: Change) -> tuple[int, list[Hit], list[Hit]]:
    """How many points a change has, and what is found before and after it."""
    shutil.copytree(before, scratch / "good")
    index = SimilarityIndex.open(scratch / "good")
    with faults.below(index.path, -1, lambda: None):
        old = found(index, QUERIES, 0)
        change(index)
    return faults.seen, old, found(index.refreshed(), QUERIES, 0)


def good_as_new(path: Path, old: list[Hit], new: list[Hit]) -> bool:
    """Whether the index at ``path`` is at the old or new generation, and can be changed; True for the new one."""
    index = SimilarityIndex.open(path)
    index.verify()
    answer = found(index, QUERIES, 0)
    assert answer in (old, new)
    index = index.add("later", batches({4: 2**63}), 5)
    assert found(index, [2**63], 0) == [(0, "later", 4, 0)]
    assert {left.name for left in path.iterdir()} == {"index.json", "writer.lock", *index.described.files}
    return answer == new


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise OSError(errno.EIO, "the disk failed")


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_a_killed_writer_leaves_the_old_or_the_new_generation(faults: Faults, before: Path, tmp_path: Path, name: str) -> None:
    count, old, new = points(faults, before, tmp_path, CHANGES[name])
    seen = set()
    for point in range(1, count + 1):
        path = tmp_path / f"{point}"
        shutil.copytree(before, path)
        index = SimilarityIndex.open(path)
        child = os.fork()
        if child == 0:
            with faults.below(path, point, die):
                CHANGES[name](index)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        seen.add(good_as_new(path, old, new))
    assert seen == {False, True} or old == new


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_a_failing_disk_leaves_the_old_or_the_new_generation(faults: Faults, before: Path, tmp_path: Path, name: str) -> None:
    count, old, new = points(faults, before, tmp_path, CHANGES[name])
    for point in range(1, count + 1):
        path = tmp_path / f"{point}"
        shutil.copytree(before, path)
        index = SimilarityIndex.open(path)
        with faults.below(path, point, fail), suppress(OSError, SegmentError):
            CHANGES[name](index)
        good_as_new(path, old, new)


@pytest.mark.usefixtures("before")
def test_a_build_that_was_killed_is_gone_on_with(tmp_path: Path) -> None:
    """Its identity says that the rows are the same: the segment that was half made keeps its name."""
    wanted = [SourceRows("winter", 12, batches(WINTER), identity="the rows of winter")]
    child = os.fork()
    if child == 0:
        SimilarityIndex.build(tmp_path / "index", lambda: wanted, lambda done, total: die())
    os.waitpid(child, 0)
    (half,) = (tmp_path / "index").glob("segment-*")
    index = SimilarityIndex.build(tmp_path / "index", lambda: wanted)
    assert [table.name for table in index.described.segments] == [half.name]
    assert found(index, [205], 0) == [(0, "winter", 5, 0)]
