import os
from pathlib import Path

import pytest

from demur.files import TargetExists, atomic_directory, atomic_file, atomic_write


def write_half(file: Path) -> None:
    file.write_text("half")
    raise ZeroDivisionError


def write(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("x")


def test_atomic_write_replaces_and_sets_the_mode(tmp_path: Path) -> None:
    target = tmp_path / "file"
    atomic_write(target, b"old")
    atomic_write(target, b"new", mode=0o600)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_file(target) as scratch:
        write_half(scratch)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_directory_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with atomic_directory(target) as scratch:
        (scratch / "inner").mkdir()
        (scratch / "inner" / "file").write_text("x")
        assert not target.exists()
    assert (target / "inner" / "file").read_text() == "x"
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_directory_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_directory(tmp_path / "target") as scratch:
        write_half(scratch / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_taken_place_is_refused_before_and_after_the_work(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with pytest.raises(TargetExists), atomic_directory(target):
        write(target / "theirs")
    assert (target / "theirs").read_text() == "x"
    with pytest.raises(TargetExists), atomic_directory(target):
        pytest.fail("the scratch directory was made for a taken place")
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(("umask", "file", "directory"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700), (0o007, 0o660, 0o770)])
def test_what_others_may_read_is_the_processs_own_rule(tmp_path: Path, umask: int, file: int, directory: int) -> None:
    before = os.umask(umask)
    try:
        atomic_write(tmp_path / "file", b"x")
        with atomic_directory(tmp_path / "directory"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == file
    assert (tmp_path / "directory").stat().st_mode & 0o777 == directory
