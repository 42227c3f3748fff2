"""Thumbnails of manifests' pictures: made once in the decoding sandbox, kept by the picture's digest, served as files.

A manifest's pictures are strangers' files. No web process decodes one: jobs do, a manifest's in the order of its rows and, sooner, those
of an owner who looks at them. What cannot be decoded within the sandbox's bounds is marked, and not tried again.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from demur.files import atomic_write
from demur.manifests import Catalogue
from demur.manifests.errors import PictureFileTooLarge, PictureMissing
from demur.manifests.pictures import has_pictures, read_picture
from demur.similarity.formats import PictureError
from demur.similarity.sandbox import Sandbox
from demur.similarity.thumbnails import SIDES, thumbnails
from models import Manifest
from rights import outbox
from rights.batches import batched
from rights.catalogues import Catalogues

MAKE_THUMBNAILS = "make_thumbnails"
STAGE = "thumbnails"
SLICE_S = 5.0
"""Seconds of work on one manifest, or for one owner, before others have their turn."""
STALE_USE_S = 86_400.0
"""A thumbnail's time of use is noted once a day at most."""
KEPT_SHARE = 0.9
"""To which share of the bound a full store is pruned, so that it is not pruned for every picture."""


_BATCH = 64
_COLUMNS = ("sha256", "shard", "row")

Rows = tuple[Catalogue, range]
"""Positions in a catalogue."""


@dataclass(frozen=True)
class _Kept:
    """Of one picture: when a thumbnail of it was last looked at (or made), in seconds since 1970, and the bytes of all."""

    sha256: str
    used_at: float
    bytes: int


class ThumbnailStore:
    """Files ``ab/cd/<sha256>-<side>.webp`` below ``directory``; an empty ``<sha256>.none`` says that there can be none.

    Files are immutable and appear whole. The smallest side is written last, so a digest that has it has all that it needs. The store is
    disposable: what is missing is made again.
    """

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self.directory, self._most = directory, most_bytes
        self._bytes: int | None = None

    def find(self, sha256: str, side: int) -> Path | None:
        """The picture's thumbnail of this side, or the largest below it where the picture itself is no larger."""
        if not self._file(sha256, SIDES[0]).exists():
            return None
        fitting = (self._file(sha256, one) for one in reversed(SIDES) if one <= side)
        return next((file for file in fitting if file.exists()), None)

    def is_settled(self, sha256: str) -> bool:
        """Whether there is nothing to make: the thumbnails are there, or the picture cannot be decoded."""
        return self._file(sha256, SIDES[0]).exists() or self._mark(sha256).exists()

    def put(self, sha256: str, files: Mapping[int, bytes]) -> None:
        """Raises OSError."""
        self._folder(sha256).mkdir(parents=True, exist_ok=True)
        for side in sorted(files, reverse=True):
            atomic_write(self._file(sha256, side), files[side])
        if self._bytes is not None:
            self._bytes += sum(map(len, files.values()))

    def refuse(self, sha256: str) -> None:
        """Notes that this picture cannot be decoded within bounds. Raises OSError."""
        self._folder(sha256).mkdir(parents=True, exist_ok=True)
        self._mark(sha256).touch()

    def used(self, file: Path) -> None:
        """Notes that a thumbnail is looked at: what nobody looks at goes first. Where that cannot be written it is not noted."""
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > STALE_USE_S:
                os.utime(file)

    @property
    def is_full(self) -> bool:
        """As counted by this process, which looked at the disk once."""
        if self._bytes is None:
            self._bytes = sum(one.bytes for one in self._kept())
        return self._bytes >= self._most

    def prune(self) -> int:
        """Removes the pictures that nobody has looked at for the longest time, until the rest fits. Returns how many went."""
        kept = self._kept()
        total, removed = sum(one.bytes for one in kept), 0
        for one in sorted(kept, key=lambda one: one.used_at):
            if total <= self._most * KEPT_SHARE:
                break
            for side in SIDES:  # the smallest first: without it, the picture counts as not made
                self._file(one.sha256, side).unlink(missing_ok=True)
            total, removed = total - one.bytes, removed + 1
        self._bytes = total
        return removed

    def _kept(self) -> list["_Kept"]:
        found: dict[str, _Kept] = {}
        for file in self.directory.glob("??/??/*.webp"):
            sha256 = file.name.partition("-")[0]
            with suppress(FileNotFoundError):
                known, status = found.get(sha256, _Kept(sha256, 0.0, 0)), file.stat()
                found[sha256] = _Kept(sha256, max(known.used_at, status.st_mtime), known.bytes + status.st_size)
        return list(found.values())

    def _folder(self, sha256: str) -> Path:
        return self.directory / sha256[:2] / sha256[2:4]

    def _file(self, sha256: str, side: int) -> Path:
        return self._folder(sha256) / f"{sha256}-{side}.webp"

    def _mark(self, sha256: str) -> Path:
        return self._folder(sha256) / f"{sha256}.none"


def promise_for_manifest(session: Session, manifest_id: int, now: datetime, start: int = 0) -> None:
    """Promises the thumbnails of a manifest's rows from position `start` on."""
    outbox.add(session, MAKE_THUMBNAILS, {"manifest_id": manifest_id, "start": start}, now)


def promise_for_owners(session: Session, owners: Sequence[str], now: datetime, start: int = 0) -> None:
    """Promises the thumbnails of these owners' photos, newest first, unless that is promised already."""
    outbox.add_once(session, MAKE_THUMBNAILS, {"owners": sorted(owners), "start": start}, now)


def rows_of_manifest(session: Session, catalogues: Catalogues, manifest_id: int) -> list[Rows]:
    manifest = session.get_one(Manifest, manifest_id)
    catalogue = catalogues.opened(manifest)
    return [(catalogue, range(catalogue.rows))]


def rows_of_owners(session: Session, catalogues: Catalogues, owners: Sequence[str]) -> list[Rows]:
    """All rows of these owners, in the order of registration, so that a newer manifest's come last."""
    return [(catalogue, catalogue.owner_rows(owner)) for _, catalogue in catalogues.registered(session) for owner in owners]


def make_thumbnails(rows: Sequence[Rows], start: int, store: ThumbnailStore, sandbox: Sandbox, may_go_on: Callable[[], bool]) -> int:
    """Makes what the rows lack from number `start` on, until told to stop. Returns the number of the first row that is not settled.

    A picture that is gone, or was replaced since the import, is left as it is: it may come back. Raises SandboxCannotStart, OSError.
    """
    reached = start

    def settle(catalogue: Catalogue, row: dict[str, Any]) -> bool:
        if not may_go_on():
            return False
        if row["sha256"] and has_pictures(row["shard"]) and not store.is_settled(row["sha256"]):
            _make(catalogue, row, store, sandbox)
        return True

    with ThreadPoolExecutor(sandbox.processes) as threads:
        for catalogue, positions in _from(rows, start):
            for some in batched(positions, _BATCH):
                taken = catalogue.take(some, _COLUMNS).to_pylist()
                settled = len(list(takewhile(bool, threads.map(partial(settle, catalogue), taken))))
                reached += settled
                if settled < len(some):
                    return reached
    return reached


def _from(rows: Sequence[Rows], start: int) -> Iterator[Rows]:
    for catalogue, positions in rows:
        yield catalogue, positions[start:]
        start = max(start - len(positions), 0)


def _make(catalogue: Catalogue, row: dict[str, Any], store: ThumbnailStore, sandbox: Sandbox) -> None:
    sha256: str = row["sha256"]
    with suppress(PictureMissing):
        try:
            data = read_picture(catalogue.source_root, row["shard"], row["row"])
            if hashlib.sha256(data).hexdigest() == sha256:
                store.put(sha256, thumbnails(sandbox, data))
        except (PictureFileTooLarge, PictureError):
            store.refuse(sha256)
