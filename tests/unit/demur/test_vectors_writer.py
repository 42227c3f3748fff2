"""The directory of a manifest's vectors: what stays, for how long, and what a fault leaves behind."""

import errno
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from demur.exclusions import Entry, KeyKind
from demur.manifests import Catalogue
from demur.signing import SigningKey
from demur.similarity.index import SimilarityIndex
from demur.vectors import DeletionVectors
from demur.vectors.reader import HEAD_FILE, file_name
from demur.vectors.writer import HEADS, KEPT_VERSIONS, LOCK
from tests.support.deletion_vectors import Publisher, import_troublesome
from tests.support.exclusion_lists import NOW

KEY = SigningKey.generate("op.example")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalogue, SimilarityIndex]:
    return import_troublesome(tmp_path_factory.mktemp("manifest"))


@pytest.fixture
def publisher(manifest: tuple[Catalogue, SimilarityIndex], tmp_path: Path) -> Publisher:
    return Publisher(*manifest, tmp_path, KEY)


def publish(publisher: Publisher, number: int) -> None:
    publisher.publish([Entry(KeyKind.UID, f"photo-{number}")])


def opened(publisher: Publisher) -> DeletionVectors:
    return DeletionVectors.open(publisher.vectors_dir, key=KEY.verifier, manifest="troublesome", now=NOW)


def tables(publisher: Publisher) -> set[str]:
    return {path.name for path in publisher.manifest_dir.glob("*.parquet")}


def test_files_stay_for_as_many_versions_as_was_said(publisher: Publisher) -> None:
    named: list[set[str]] = []
    for number in range(1, KEPT_VERSIONS + 4):
        publish(publisher, number)
        publisher.derive()
        head = opened(publisher).head
        named.append({file_name(head.shards.sha256), file_name(head.deletions.sha256)})
        assert tables(publisher) == set().union(*named[-KEPT_VERSIONS:])
    assert len(list((publisher.manifest_dir / HEADS).iterdir())) == KEPT_VERSIONS


def test_who_read_a_head_a_while_ago_still_finds_its_files(publisher: Publisher) -> None:
    publish(publisher, 1)
    publisher.derive()
    old_head = (publisher.manifest_dir / HEAD_FILE).read_bytes()
    for number in range(2, KEPT_VERSIONS + 1):
        publish(publisher, number)
        publisher.derive()
    (publisher.manifest_dir / HEAD_FILE).write_bytes(old_head)
    assert list(opened(publisher).of("00000.parquet")) == [1]


def test_writers_wait_for_each_other(publisher: Publisher) -> None:
    publish(publisher, 1)
    done: list[bool] = []
    writers = [threading.Thread(target=lambda: done.append(publisher.derive())) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(done) == [False, False, False, True]
    assert list(opened(publisher).of("00000.parquet")) == [1]


class Faults:
    """An audit hook (PEP 578), which lives as long as the process: fails one of the calls by which files below a directory change."""

    def __init__(self) -> None:
        self.directory, self.seen, self.fatal = "", 0, -1
        sys.addaudithook(self._hear)

    @contextmanager
    def below(self, directory: Path, fatal: int) -> Iterator[None]:
        self.directory, self.seen, self.fatal = str(directory), 0, fatal
        try:
            yield
        finally:
            self.directory = ""

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.directory or not _changes_files(event, arguments) or self.directory not in str(arguments[0]):
            return
        self.seen += 1
        if self.seen == self.fatal:
            raise OSError(errno.ENOSPC, "the disk is full")


def _changes_files(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        flags = arguments[2]
        return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in ("os.rename", "os.remove", "os.mkdir")


def test_a_disk_that_fails_at_any_point_leaves_the_old_vectors_or_the_new(publisher: Publisher) -> None:
    publish(publisher, 1)
    publisher.derive()
    faults, point, old, outcomes = Faults(), 0, 1, set()
    while not point or faults.seen >= point:
        point += 1
        publish(publisher, point + 1)
        with faults.below(publisher.manifest_dir, point), suppress(OSError):
            publisher.derive()
        new = opened(publisher).head.list.version
        assert new in (old, point + 1)
        assert list(opened(publisher).of("00000.parquet")) == ([new] if new % 17 != 3 else [])  # every 17th photo is private
        outcomes.add(new == old)
        old = new
    assert outcomes == {True, False}
    publish(publisher, 30)
    publisher.derive()
    assert {path.name for path in publisher.manifest_dir.iterdir()} == tables(publisher) | {HEAD_FILE, HEADS, LOCK}
    assert list(opened(publisher).of("00000.parquet")) == [30]
