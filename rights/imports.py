"""Importing a manifest: the catalogue appears whole, its rows enter the similarity index, and then it is registered.

In this order, so that whoever finds a manifest registered finds it in the index. The transactions are its own.
"""

import shutil
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, sessionmaker

from demur.errors import DemurError
from demur.manifests import ImportReport, Progress, import_manifest
from models import Manifest, ManifestState, new_public_id
from rights import audit, outbox
from rights.catalogues import Catalogues, registered_manifests
from rights.indexing import forget_catalogue, index_catalogue
from rights.thumbnails import STAGE, promise_for_manifest

PROPAGATE_MANIFEST = "propagate_manifest"
NOTE_EVERY = timedelta(seconds=1)
SILENT_AFTER = timedelta(minutes=10)  # an import that notes no progress for so long was killed


class ManifestNameTaken(DemurError):
    """A manifest of this name is registered, or is being imported right now."""


def import_and_register(
    sessions: sessionmaker[Session],
    catalogues: Catalogues,
    source: Path,
    name: str,
    *,
    clock: Callable[[], datetime],
    progress: Callable[[Progress], None] | None = None,
    workers: int | None = None,
    skip_empty: bool = False,
) -> tuple[Manifest, ImportReport]:
    """Imports ``source`` and registers it, so that standing opt-outs are carried into it.

    Notes its progress in the manifest's row, for pages, and tells ``progress``. On an error nothing is left behind.
    ``sessions`` make sessions that write. Raises ManifestNameTaken, demur.manifests.ManifestError, demur.similarity.index.SegmentError,
    OSError.
    """
    catalogue = new_public_id()
    path = catalogues.directory / catalogue
    with sessions.begin() as session:
        manifest_id = _announce(session, name, catalogue, clock()).id
    notes = _Notes(sessions, manifest_id, clock, progress)
    try:
        report = import_manifest(source, path, name=name, progress=notes.take, workers=workers, skip_empty=skip_empty)
        index_catalogue(catalogues, catalogue, lambda done, total: notes.take(Progress("indexing", done, total)))
        with sessions.begin() as session:
            manifest = _register(session, manifest_id, catalogue, report, clock())
    except BaseException:
        _forget(sessions, manifest_id, catalogue)
        if path.exists():
            forget_catalogue(catalogues, catalogue)
            shutil.rmtree(path, ignore_errors=True)
        raise
    return manifest, report


def under_way_of_manifests() -> Select[Manifest]:
    """Manifests that are imported, or whose thumbnails are made, just now."""
    working = or_(Manifest.state == ManifestState.IMPORTING, Manifest.stage == STAGE)
    return select(Manifest).where(working).order_by(Manifest.id)


def registered_ids(session: Session) -> set[int]:
    """Ids of the registered manifests."""
    return set(session.scalars(select(Manifest.id).where(Manifest.state == ManifestState.REGISTERED)))


def propagate_into_newer(session: Session, searched: set[int], now: datetime) -> None:
    """Promises to search the manifests that were registered while others were searched.

    Call it after what was learned of the pictures is committed: a manifest's own propagation may have run with less known of them. One
    that is registered after this call is searched with all of it.
    """
    for manifest_id in sorted(registered_ids(session) - searched):
        outbox.add(session, PROPAGATE_MANIFEST, {"manifest_id": manifest_id}, now)


def propagate_again(session: Session, names: Sequence[str], now: datetime) -> list[str]:
    """Promises to carry the standing opt-outs into these manifests once more, or into all, and returns their names.

    It writes what a newer version of the program would have written, and nothing twice. Raises NoSuchManifest.
    """
    chosen = registered_manifests(session, names)
    for manifest in chosen:
        outbox.add(session, PROPAGATE_MANIFEST, {"manifest_id": manifest.id}, now)
    return [manifest.name for manifest in chosen]


def make_thumbnails_again(session: Session, names: Sequence[str], now: datetime) -> list[str]:
    """Promises the thumbnails that these manifests, or all, lack, and returns their names. Raises NoSuchManifest."""
    chosen = registered_manifests(session, names)
    for manifest in chosen:
        promise_for_manifest(session, manifest.id, now)
    return [manifest.name for manifest in chosen]


def _announce(session: Session, name: str, catalogue: str, now: datetime) -> Manifest:
    known = session.scalar(select(Manifest).where(Manifest.name == name).with_for_update())
    if known is not None:
        if known.state is ManifestState.REGISTERED or abs(now - known.updated_at) < SILENT_AFTER:
            raise ManifestNameTaken(f"there is a manifest named {name} already")
        session.delete(known)
        session.flush()
    manifest = Manifest(name=name, state=ManifestState.IMPORTING, catalogue=catalogue, started_at=now, updated_at=now)
    session.add(manifest)
    session.flush()
    return manifest


def _register(session: Session, manifest_id: int, catalogue: str, report: ImportReport, now: datetime) -> Manifest:
    manifest = session.scalar(select(Manifest).where(Manifest.id == manifest_id, Manifest.catalogue == catalogue).with_for_update())
    if manifest is None:  # it was silent for so long that another import took the name over
        raise ManifestNameTaken("another import took this manifest's name over")
    manifest.state = ManifestState.REGISTERED
    manifest.digest = report.digest
    manifest.rows = report.rows
    manifest.rejected = dict(report.rejected)
    manifest.registered_at = manifest.updated_at = now
    manifest.stage = ""
    audit.record(session, audit.OPERATOR, "manifest.registered", manifest.public_id, {"digest": report.digest}, now)
    outbox.add(session, PROPAGATE_MANIFEST, {"manifest_id": manifest.id}, now)
    outbox.add(session, outbox.UPDATE_VECTORS, {}, now)
    promise_for_manifest(session, manifest.id, now)
    return manifest


def _forget(sessions: sessionmaker[Session], manifest_id: int, catalogue: str) -> None:
    with sessions.begin() as session:
        manifest = session.scalar(select(Manifest).where(Manifest.id == manifest_id, Manifest.catalogue == catalogue))
        if manifest is not None:
            session.delete(manifest)


class _Notes:
    """Writes progress into the manifest's row, once a second at most."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        manifest_id: int,
        clock: Callable[[], datetime],
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._sessions, self._manifest_id, self._clock, self._progress = sessions, manifest_id, clock, progress
        self._noted_at: datetime | None = None

    def take(self, progress: Progress) -> None:
        if self._progress is not None:
            self._progress(progress)
        now = self._clock()
        if self._noted_at is None or now - self._noted_at >= NOTE_EVERY:
            self._noted_at = now
            with self._sessions.begin() as session:
                manifest = session.get(Manifest, self._manifest_id)
                if manifest is not None:
                    manifest.stage, manifest.done, manifest.total = progress.stage, progress.done, progress.total
                    manifest.updated_at = now
