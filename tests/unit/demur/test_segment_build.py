"""A build survives being killed at any point, a full disk and too little memory: what it leaves in the end is always the same."""

import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from demur.similarity.segment import Segment
from demur.similarity.tables.errors import NoSpace, NotAnIndex
from demur.similarity.tables.state import STATE

ROWS, BATCH = 2_000, 300
LITTLE_MEMORY = 64 * 16 * 100
"""Twenty partitions, in thirty-two files."""
Batches = Iterator[tuple[np.ndarray, np.ndarray]]


def batches() -> Batches:
    rng = np.random.default_rng(11)
    hashes = rng.integers(0, 2**64, ROWS, dtype=np.uint64)
    hashes[::5] = hashes[0]
    rows = rng.permutation(ROWS).astype(np.uint32)
    for start in range(0, ROWS, BATCH):
        yield hashes[start : start + BATCH], rows[start : start + BATCH]


def never() -> Batches:
    raise AssertionError("what was spilled was asked for again")


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def in_child(work: Callable[[], None]) -> int:
    """Does the work in a forked process; its status as os.waitpid gives it."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def killed_at(path: Path, event: int) -> bool:
    """Whether a build was killed by SIGKILL just before its `event`-th change of the directory; else it went through."""

    def work() -> None:
        left = event

        def count(name: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if name in ("open", "os.rename", "os.remove", "os.mkdir", "shutil.rmtree") and str(path) in str(arguments[0]):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        Segment.build(path, batches, ROWS, memory=LITTLE_MEMORY)

    status = in_child(work)
    assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
    return status != 0


@pytest.fixture(scope="module")
def new_place() -> Iterator[Callable[[], Path]]:
    """Directories in memory, where there is such a file system: a build waits for the disk several hundred times."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as parent:
        yield lambda: Path(tempfile.mkdtemp(dir=parent))


@pytest.fixture
def place(new_place: Callable[[], Path]) -> Path:
    return new_place()


@pytest.fixture(scope="module")
def fresh(new_place: Callable[[], Path]) -> dict[str, bytes]:
    path = new_place() / "segment"
    Segment.build(path, batches, ROWS, memory=LITTLE_MEMORY)
    return contents(path)


def test_memory_leaves_no_trace(place: Path, fresh: dict[str, bytes]) -> None:
    Segment.build(place, batches, ROWS)
    assert contents(place) == fresh


def test_the_order_of_rows_leaves_no_trace(place: Path, fresh: dict[str, bytes]) -> None:
    Segment.build(place, lambda: reversed([(hashes[::-1], rows[::-1]) for hashes, rows in batches()]), ROWS)
    assert contents(place) == fresh


@pytest.mark.parametrize("event", range(3, 400, 12))
def test_a_killed_build_goes_on_to_the_same_bytes(place: Path, fresh: dict[str, bytes], event: int) -> None:
    assert killed_at(place / "segment", event)
    with pytest.raises(NotAnIndex, match="build it again"):
        Segment.open(place / "segment")
    Segment.build(place / "segment", batches, ROWS, memory=LITTLE_MEMORY)
    assert contents(place / "segment") == fresh


def test_a_build_killed_again_and_again_comes_to_its_end(place: Path, fresh: dict[str, bytes]) -> None:
    kills = 0
    while killed_at(place / "segment", 260):
        kills += 1
    assert kills >= 3
    assert contents(place / "segment") == fresh


def test_what_was_finished_is_not_asked_for_again(place: Path, fresh: dict[str, bytes]) -> None:
    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Segment.build(place, batches, ROWS, memory=LITTLE_MEMORY, progress=stop)
    told: list[tuple[int, int]] = []
    Segment.build(place, never, ROWS, memory=LITTLE_MEMORY, progress=lambda done, total: told.append((done, total)))
    assert contents(place) == fresh
    assert told == sorted(told)
    assert told[0][0] > told[0][1] / 3
    assert told[-1] == (6 * ROWS, 6 * ROWS)


def test_torn_tails_are_made_again(place: Path, fresh: dict[str, bytes]) -> None:
    assert killed_at(place / "segment", 230)
    for name in ("hashes", "rows"):
        with (place / "segment" / name).open("ab") as file:
            file.write(b"torn")
    Segment.build(place / "segment", batches, ROWS, memory=LITTLE_MEMORY)
    assert contents(place / "segment") == fresh


@pytest.mark.parametrize("left", [b"", b"[]", b"{", b'{"rows": 2000}', None])
def test_a_state_of_another_build_is_not_gone_on_with(place: Path, fresh: dict[str, bytes], left: bytes | None) -> None:
    assert killed_at(place, 230)
    state = (place / STATE).read_bytes()
    (place / STATE).write_bytes(state.replace(b'"rows": 2000', b'"rows": 1999') if left is None else left)
    Segment.build(place, batches, ROWS, memory=LITTLE_MEMORY)
    assert contents(place) == fresh


@pytest.mark.parametrize("largest", [1_000, 10_000, 40_000])
def test_a_full_disk_is_named_and_what_was_finished_is_kept(place: Path, fresh: dict[str, bytes], largest: int) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        with pytest.raises(NoSpace, match="what was finished is kept"):
            Segment.build(place, batches, ROWS, memory=LITTLE_MEMORY)

    assert in_child(work) == 0
    Segment.build(place, batches, ROWS, memory=LITTLE_MEMORY)
    assert contents(place) == fresh
