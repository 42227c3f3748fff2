"""Files that appear whole or not at all, also after a power cut."""

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demur.errors import DemurError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FileTooLarge(DemurError):
    """The file is larger than its kind ever is, and so is not read."""


class TargetExists(DemurError, FileExistsError):
    """The place where a new directory should appear is taken."""


def read_file(path: Path | str, most: int) -> bytes:
    """All of a file of at most so many bytes, of which no more is ever read. Raises FileTooLarge, OSError."""
    with open(path, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise FileTooLarge(f"{path} is larger than {most:,} bytes, which no file of this kind is")
    return data


def sync(path: Path) -> None:
    """Forces a file's or a directory's content to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(target: Path | str, mode: int = 0o666) -> Iterator[Path]:
    """Yields a scratch path beside `target`. On success the scratch file replaces the target; on error it is removed.

    The process's umask takes its part of `mode` away, as from any file. Order matters: content to disk, then the
    rename, then the directory, so that a crash leaves the old file or the new one.
    """
    target = Path(target)
    scratch = _beside(target)
    os.close(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    try:
        with _full_disk_named(target):
            yield scratch
        sync(scratch)
        os.replace(scratch, target)
        sync(target.parent)
    finally:
        scratch.unlink(missing_ok=True)


def atomic_write(path: Path | str, data: bytes, mode: int = 0o666) -> None:
    """Replaces a file's content in one step; durable once it returns. Raises OSError."""
    with atomic_file(path, mode) as scratch:
        scratch.write_bytes(data)


@contextmanager
def atomic_directory(target: Path | str) -> Iterator[Path]:
    """Yields a scratch directory beside `target`. On success it becomes the target, durable once left; on error it is removed.

    Raises TargetExists when the target is there already (an empty directory counts as free), OSError otherwise.
    """
    target = Path(target)
    _refuse_taken(target)
    with scratch_directory(target) as scratch:
        yield scratch
        sync_all(scratch)
        _refuse_taken(target)
        os.rename(scratch, target)
        sync(target.parent)


@contextmanager
def scratch_directory(target: Path) -> Iterator[Path]:
    """Yields a new directory beside `target`, for what may take that place once `sync_all` forced it to the disk. Removed unless renamed.

    Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = _beside(target)
    scratch.mkdir()
    try:
        with _full_disk_named(target):
            yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def sync_all(directory: Path) -> None:
    """Forces a directory and all that lies in it to the disk. Raises OSError."""
    for path in [directory, *directory.rglob("*")]:
        if not path.is_symlink():
            sync(path)


@contextmanager
def alone_in(directory: Path, *, wait: bool = True) -> Iterator[None]:
    """Holds a directory, which is there, against every other process of this machine that asks for it by this function.

    Raises BlockingIOError where it is held and `wait` is False, OSError.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _full_disk_named(target: Path) -> Iterator[None]:
    """What is written through an open file says of a full disk, but not of which file."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL and error.filename is None:
            error.filename = str(target)
        raise


def _beside(target: Path) -> Path:
    """A place for what is not whole yet, on the same file system."""
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")


def _refuse_taken(target: Path) -> None:
    if target.is_symlink() or target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise TargetExists(f"{target} already exists; choose another place or remove it first")
