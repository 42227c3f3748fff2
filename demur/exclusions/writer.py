"""Builds versions of an exclusion list (pure), and publishes them as files in an order that a crash cannot harm."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from demur.errors import DemurError
from demur.exclusions.delta import Delta
from demur.exclusions.entries import FileDigest
from demur.exclusions.head import MOST_DELTAS, NO_ROOT, PAYLOAD_TYPE, Head, WholeFile
from demur.exclusions.table import EntryTable
from demur.files import atomic_write, scratch_directory, sync, sync_all
from demur.signing import SigningKey, peek_envelope

HEAD_FILE, ENTRIES_FILE, DELTA_FILE = "head.dsse.json", "entries.parquet", "delta.parquet"
TRAIL_SHARE = 0.25  # of a whole file: longer deltas since then make a new whole file due
SMALL_TRAIL = 1 << 16  # bytes of deltas that are never too long


class VersionPublished(DemurError):
    """A published version is immutable, and this would change one."""


class VersionMissing(DemurError):
    """The version to point at was never written."""


class VersionMismatch(DemurError, ValueError):
    """The previous head, the previous entries and the new dates do not belong together."""


@dataclass(frozen=True)
class Version:
    """A version ready to be signed and written: head, entries and delta, and its files' bytes; no whole file where deltas do.

    `trail`: bytes of the deltas that lead from the newest whole file to this version.
    """

    head: Head
    entries: EntryTable
    delta: Delta
    entries_file: bytes | None
    delta_file: bytes
    trail: int


@dataclass(frozen=True)
class WrittenVersion:
    """A version whose `files` are in a directory beside their place, durably."""

    head: Head
    files: Path


def build_version(
    delta: Delta,
    previous: Head | None,
    previous_entries: EntryTable,
    *,
    list_id: str,
    published_at: datetime,
    expires_at: datetime,
    trail: int = 0,
    log_leaf_index: int | None = None,
) -> Version:
    """The version after `previous` (None: the first one), which this delta makes of its entries. Pure.

    Times are UTC and lose fractions of a second. `trail`: that of the previous version. Raises VersionMismatch, Misfit.
    """
    _refuse_mismatch(previous, len(previous_entries), list_id, published_at, expires_at)
    entries, delta_file = delta.applied(previous_entries), delta.parquet()
    whole, trail, entries_file = _whole_file(previous, trail + len(delta_file), entries)
    previous_version = previous.version if previous else 0
    head = Head(
        list_id=list_id,
        version=previous_version + 1,
        previous_version=previous_version,
        previous_root=previous.root if previous else NO_ROOT,
        root=entries.root(),
        total=len(entries),
        counts=entries.counts,
        added=delta.added,
        removed=delta.removed,
        published_at=published_at.astimezone(UTC).replace(microsecond=0),
        expires_at=expires_at.astimezone(UTC).replace(microsecond=0),
        entries=whole,
        delta=FileDigest.of(delta_file),
        log_leaf_index=log_leaf_index,
    )
    return Version(head, entries, delta, entries_file, delta_file, trail)


def _whole_file(previous: Head | None, trail: int, entries: EntryTable) -> tuple[WholeFile, int, bytes | None]:
    """The whole file that a version builds on, its trail, and the bytes of a new whole file where one is due."""
    if previous is not None:
        whole, version = previous.entries, previous.version + 1
        if trail <= max(whole.size * TRAIL_SHARE, SMALL_TRAIL) and version < whole.version + MOST_DELTAS:
            return whole, trail, None
    data = entries.parquet()
    file = FileDigest.of(data)
    return WholeFile(file.sha256, file.size, previous.version + 1 if previous else 1), 0, data


def trail_of(directory: Path, head: Head) -> int:
    """Bytes of the deltas that lead to a written version from the whole file that it builds on. Raises OSError."""
    versions = range(head.entries.version + 1, head.version + 1)
    return sum((version_directory(directory, version) / DELTA_FILE).stat().st_size for version in versions)


def _refuse_mismatch(previous: Head | None, old_total: int, list_id: str, published_at: datetime, expires_at: datetime) -> None:
    if published_at.tzinfo is None or expires_at.tzinfo is None or expires_at <= published_at:
        raise VersionMismatch("a version needs times with a zone, and expires after it is published")
    if old_total != (previous.total if previous else 0):
        raise VersionMismatch(f"the previous head counts {previous.total if previous else 0} entries, but {old_total} were given")
    if previous is not None and previous.list_id != list_id:
        raise VersionMismatch(f"the list {list_id!r} cannot continue the list {previous.list_id!r}")


def version_directory(directory: Path, version: int) -> Path:
    """Where a version's files lie inside a list directory."""
    return directory / "versions" / str(version)


@contextmanager
def written_version(directory: Path, version: Version, key: SigningKey) -> Iterator[WrittenVersion]:
    """Writes a version's files beside their place. On leaving they are removed, unless `place_version` put them there.

    Raises OSError.
    """
    with scratch_directory(version_directory(directory, version.head.version)) as scratch:
        if version.entries_file is not None:
            (scratch / ENTRIES_FILE).write_bytes(version.entries_file)
        (scratch / DELTA_FILE).write_bytes(version.delta_file)
        (scratch / HEAD_FILE).write_bytes(key.sign(version.head.payload(), PAYLOAD_TYPE))
        sync_all(scratch)
        yield WrittenVersion(version.head, scratch)


def place_version(directory: Path, written: WrittenVersion) -> None:
    """Makes the files `versions/<n>`, in one step; durable once it returns. Readers do not see them before `point_head`.

    The caller holds a lock under which their own record shows that version n is not published. So what lies in its place is the remains of
    a crash before the record was committed: it is replaced, since no reader can have seen it. One that the head points at raises
    VersionPublished. Raises OSError.
    """
    version = written.head.version
    target = version_directory(directory, version)
    if _pointed_version(directory) >= version:
        raise VersionPublished(f"version {version} of the list is published and cannot change")
    if target.exists():
        shutil.rmtree(target)
    os.rename(written.files, target)
    sync(target.parent)


def remove_unplaced(directory: Path, version: int) -> None:
    """Removes what a crash left of files for version n, once another process published it: they can take no place any more."""
    target = version_directory(directory, version)
    for files in target.parent.glob(f".{target.name}.*.part"):
        shutil.rmtree(files, ignore_errors=True)


def point_head(directory: Path, version: int) -> None:
    """Makes version `n` the newest for readers, in one step; durable once it returns.

    Idempotent, and never moves back: pointing at an older version than the newest does nothing. Raises VersionMissing, OSError.
    """
    source = version_directory(directory, version) / HEAD_FILE
    try:
        envelope = source.read_bytes()
    except FileNotFoundError as error:
        raise VersionMissing(f"version {version} of the list is not written yet") from error
    if _pointed_version(directory) < version:
        atomic_write(directory / HEAD_FILE, envelope)


def _pointed_version(directory: Path) -> int:
    try:
        return Head.parse(peek_envelope((directory / HEAD_FILE).read_bytes())[1]).version
    except FileNotFoundError:
        return 0
