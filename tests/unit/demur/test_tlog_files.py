"""The log's directory: the same tree by any road, and whole at any moment."""

import base64
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur import files as demur_files
from demur.exclusions import ListRefused
from demur.exclusions.sources import DirectorySource
from demur.signing import SigningKey
from demur.tlog import merkle
from demur.tlog.checkpoint import LogCheckpoint
from demur.tlog.files import LogBroken, LogFiles
from demur.tlog.reader import LogReader
from demur.tlog.tiles import BadTile, Tile, TiledTree, TileMissing, read_leaves, tiles_between

KEY = SigningKey.generate("demur.example/log")


def leaf(number: int) -> bytes:
    return number.to_bytes(32, "big")


def leaves(start: int, stop: int) -> list[bytes]:
    return [leaf(number) for number in range(start, stop)]


def hashes(size: int) -> list[bytes]:
    return [merkle.leaf_hash(leaf(number)) for number in range(size)]


def newest(directory: Path) -> LogCheckpoint:
    checkpoint = LogReader(DirectorySource(directory).read, KEY.verifier).checkpoint()
    assert checkpoint is not None
    return checkpoint


def test_paths_are_those_of_the_specification():
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Tile(0, 5, 8).path == "tile/0/005.p/8"
    assert Tile(None, 0).path == "tile/entries/000"
    assert Tile(2, 1000, 1).path == "tile/2/x001/000.p/1"


def test_a_log_without_leaves_has_a_checkpoint(tmp_path: Path):
    LogFiles(tmp_path).append([], 0, KEY)
    assert (newest(tmp_path).size, newest(tmp_path).root) == (0, merkle.EMPTY_ROOT)


@given(steps=st.lists(st.sampled_from([0, 1, 2, 7, 100, 255, 256, 257, 600]), min_size=1, max_size=7))
@settings(max_examples=25, deadline=None)
def test_however_leaves_come_the_tree_and_its_files_are_the_same(tmp_path_factory: pytest.TempPathFactory, steps: list[int]):
    directory, size = tmp_path_factory.mktemp("log"), 0
    for step in steps:
        checkpoint = LogFiles(directory).append(leaves(size, size + step), size, KEY)
        size += step
        assert (checkpoint.size, checkpoint.root) == (size, merkle.root(hashes(size)))
    at_once = tmp_path_factory.mktemp("at-once")
    LogFiles(at_once).append(leaves(0, size), 0, KEY)
    for tile in tiles_between(0, size):
        assert (directory / tile.path).read_bytes() == (at_once / tile.path).read_bytes()
    assert list(read_leaves(DirectorySource(directory).read, size)) == leaves(0, size)


@pytest.mark.slow
def test_a_tree_of_three_levels_proves_each_leaf_and_each_prefix(tmp_path: Path):
    size = 65_536 + 300
    LogFiles(tmp_path).append(leaves(0, 65_000), 0, KEY)
    LogFiles(tmp_path).append(leaves(65_000, size), 65_000, KEY)
    assert (tmp_path / "tile/2/000.p/1").exists()
    all_hashes, root = hashes(size), merkle.root(hashes(size))
    tree = LogReader(DirectorySource(tmp_path).read, KEY.verifier).tree(newest(tmp_path))
    assert tree.root() == root
    for index in (0, 1, 255, 256, 65_535, 65_536, size - 1):
        assert tree.leaf_hash(index) == all_hashes[index]
        merkle.verify_inclusion(all_hashes[index], index, size, tree.inclusion_proof(index), root)
    for old in (1, 255, 256, 257, 65_536, 65_537, size):
        merkle.verify_consistency(old, merkle.root(all_hashes[:old]), size, root, tree.consistency_proof(old))


def test_a_reader_of_an_older_checkpoint_takes_the_beginning_of_the_full_tile(tmp_path: Path):
    LogFiles(tmp_path).append(leaves(0, 200), 0, KEY)
    before = newest(tmp_path)
    LogFiles(tmp_path).append(leaves(200, 300), 200, KEY)
    assert not (tmp_path / "tile/0/000.p").exists()
    assert TiledTree(DirectorySource(tmp_path).read, before.size).root() == before.root


def test_what_is_there_already_is_not_added_again(tmp_path: Path):
    log = LogFiles(tmp_path)
    log.append(leaves(0, 10), 0, KEY)
    assert log.append(leaves(4, 12), 4, KEY).size == 12
    assert log.append(leaves(0, 12), 0, KEY).size == 12
    assert list(read_leaves(log.read, 12)) == leaves(0, 12)


def test_a_gap_is_refused(tmp_path: Path):
    LogFiles(tmp_path).append(leaves(0, 3), 0, KEY)
    with pytest.raises(LogBroken, match="leaf 4 cannot be next"):
        LogFiles(tmp_path).append(leaves(4, 5), 4, KEY)


def test_nothing_is_added_to_a_log_whose_files_were_changed(tmp_path: Path):
    LogFiles(tmp_path).append(leaves(0, 3), 0, KEY)
    (tmp_path / "tile/0/000.p/3").write_bytes(bytes(96))
    with pytest.raises(LogBroken, match="do not have the root"):
        LogFiles(tmp_path).append(leaves(3, 4), 3, KEY)
    (tmp_path / "tile/0/000.p/3").write_bytes(bytes(95))
    with pytest.raises(BadTile):
        LogFiles(tmp_path).append(leaves(3, 4), 3, KEY)


def test_a_missing_tile_is_told_by_name(tmp_path: Path):
    LogFiles(tmp_path).append(leaves(0, 3), 0, KEY)
    shutil.rmtree(tmp_path / "tile/0")
    with pytest.raises(TileMissing, match=r"the log has no tile/0/000") as missing:
        TiledTree(DirectorySource(tmp_path).read, 3).root()
    assert not isinstance(missing.value, ListRefused)


class Crash(BaseException):
    pass


@pytest.fixture
def crash_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts renames; the one whose number stands in the list dies before it happens."""
    numbers: list[int] = []
    real, count = demur_files.os.replace, 0

    def replace(source: object, target: object) -> None:
        nonlocal count
        count += 1
        if numbers and count == numbers[0]:
            raise Crash
        real(source, target)

    monkeypatch.setattr(demur_files.os, "replace", replace)
    return numbers


@pytest.mark.parametrize("step", range(1, 7))
def test_a_crash_at_any_file_leaves_the_old_log_and_the_next_try_the_new_one(tmp_path: Path, crash_at: list[int], step: int):
    log = LogFiles(tmp_path)
    log.append(leaves(0, 250), 0, KEY)  # writes three files
    before = newest(tmp_path)
    crash_at.append(3 + step)
    try:
        log.append(leaves(250, 260), 250, KEY)
    except Crash:
        assert newest(tmp_path) == before
        assert TiledTree(log.read, 250).root() == before.root
    crash_at.clear()
    log.append(leaves(250, 260), 250, KEY)
    assert newest(tmp_path).root == merkle.root(hashes(260)) == TiledTree(log.read, 260).root()


def test_a_checkpoint_is_read_as_the_specification_spells_it(tmp_path: Path):
    LogFiles(tmp_path).append(leaves(0, 3), 0, KEY)
    lines = (tmp_path / "checkpoint").read_text().split("\n")
    assert lines[:4] == ["demur.example/log", "3", base64.b64encode(merkle.root(hashes(3))).decode(), ""]
    assert lines[4].startswith("— demur.example/log ")
    assert base64.b64decode(lines[4].split(" ")[2])[:4] == KEY.verifier.key_hash
    assert lines[5:] == [""]
