"""A member's photos in the registered manifests: the grid, the selection behind a filter, and one photo.

A person may own thousands of rows among billions. Catalogues keep an owner's rows together, so one contiguous read a manifest gives
their uids, and opt-outs take two queries. Only the rows of the page shown are read in full, and only of these are the runs asked, each
by one vectorised search; unless a filter asks what runs did with all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from models import RunState, TrainingRun
from rights.artefacts import RunArtefacts
from rights.catalogues import Catalogues
from rights.listed import listed
from rights.owned import OwnedPhoto, Place, find_owned, owned_among, owned_photos, read_rows
from rights.photo import Choice, ManifestRef, Photo, PhotoFilter, PhotoPage, PhotoStatus, RunInTraining, RunRef
from rights.runs import recorded_runs
from rights.standing import Standing, standing_opt_outs
from rights.used import RunWord, Spans, TrainingWord, in_training, used_or_absent


def list_photos(
    session: Session,
    catalogues: Catalogues,
    runs: RunArtefacts,
    owners: Sequence[str],
    wanted: PhotoFilter,
    *,
    page: int = 1,
    per_page: int = 48,
) -> PhotoPage:
    """One page of the person's photos, newest first."""
    album = _album(session, runs, owners, owned_photos(session, catalogues, owners))
    chosen = album.matching(wanted)
    pages = max(1, ceil(len(chosen) / per_page))
    page = min(max(page, 1), pages)
    return PhotoPage(
        photos=tuple(album.photos(chosen[(page - 1) * per_page : page * per_page])),
        page=page,
        pages=pages,
        total=len(chosen),
        total_unfiltered=len(album.owned),
        manifests=album.manifests(),
        runs=tuple(Choice(run.public_id, run.name) for run in album.runs),
        years=tuple(sorted({photo.posted_at.year for photo in album.owned if photo.posted_at}, reverse=True)),
    )


def matching_uids(session: Session, catalogues: Catalogues, runs: RunArtefacts, owners: Sequence[str], wanted: PhotoFilter) -> list[str]:
    """The uids of all photos behind a filter, for *select all N across pages*."""
    album = _album(session, runs, owners, owned_photos(session, catalogues, owners))
    return [album.owned[index].uid for index in album.matching(wanted)]


def get_photos(session: Session, catalogues: Catalogues, runs: RunArtefacts, owners: Sequence[str], uids: Sequence[str]) -> list[Photo]:
    """These photos of the person, in this order. Raises PhotoNotFound."""
    return _in_full(session, runs, owners, find_owned(session, catalogues, owners, uids))


def photos_among(session: Session, catalogues: Catalogues, runs: RunArtefacts, owners: Sequence[str], uids: Sequence[str]) -> list[Photo]:
    """Those of these uids that are photos of the person, in this order: a manifest that held one may be gone."""
    known = owned_among(session, catalogues, owners, uids)
    return _in_full(session, runs, owners, [known[uid] for uid in dict.fromkeys(uids) if uid in known])


def get_photo(session: Session, catalogues: Catalogues, runs: RunArtefacts, owners: Sequence[str], uid: str) -> Photo:
    """One photo of the person. Raises PhotoNotFound."""
    return get_photos(session, catalogues, runs, owners, [uid])[0]


@dataclass(frozen=True)
class Album:
    """A person's photos with what is known about them."""

    owned: list[OwnedPhoto]
    runs: Sequence[TrainingRun]
    artefacts: RunArtefacts
    standing: Standing
    session: Session
    training: Sequence[RunRef] = ()  # runs in training now

    @cached_property
    def consumed(self) -> NDArray[np.bool_]:
        """(runs, photos): whether the run consumed the photo."""
        names = [photo.uid for photo in self.owned]
        return np.stack([self.artefacts.consumed(run, names) for run in self.runs]) if self.runs else np.zeros((0, len(names)), np.bool_)

    @cached_property
    def named(self) -> list[Spans]:
        """Of each photo: the versions of the list that named it."""
        found = listed(self.session, {photo.owner for photo in self.owned}, [photo.uid for photo in self.owned])
        return [found.of(photo.owner, photo.uid) for photo in self.owned]

    def matching(self, wanted: PhotoFilter) -> list[int]:
        """Indices of the photos that pass the filter, in order."""
        return [index for index in range(len(self.owned)) if self._passes(index, wanted)]

    def manifests(self) -> tuple[Choice, ...]:
        known = {manifest.id: manifest for photo in self.owned for manifest, _, _ in photo.places}
        return tuple(Choice(known[key].public_id, known[key].name) for key in sorted(known))

    def photos(self, indexes: Sequence[int]) -> list[Photo]:
        """Everything about some photos; the only place that reads whole rows."""
        few = replace(self, owned=[self.owned[index] for index in indexes])
        rows = read_rows(few.owned, ("url", "width", "height"))
        return [few._photo(index, row) for index, row in enumerate(rows)]

    def _photo(self, index: int, row: Mapping[str, Any]) -> Photo:
        owned = self.owned[index]
        return Photo(
            uid=owned.uid,
            owner=owned.owner,
            caption=owned.caption,
            url=row["url"] or "",
            width=row["width"],
            height=row["height"],
            posted_at=owned.posted_at,
            manifests=tuple(_manifest_ref(place) for place in owned.places),
            named=self.named[index],
            runs=tuple(run_ref(run) for run, consumed in zip(self.runs, self.consumed[:, index], strict=True) if consumed),
            absent_from=tuple(run_ref(run) for run in self._absent(index)),
            in_training=tuple(sorted(self._in_training(index), key=lambda one: list(TrainingWord).index(one.word))),
            opt_outs=self.standing.of(owned.owner, owned.uid),
            copy_excluded_since=self.standing.copies.get(owned.uid),
        )

    def _consumers(self, index: int) -> set[str]:
        return {run.public_id for run, consumed in zip(self.runs, self.consumed[:, index], strict=True) if consumed}

    def _since(self, index: int) -> int | None:
        owned = self.owned[index]
        return self.standing.listed_since(owned.owner, owned.uid)

    def _absent(self, index: int) -> list[TrainingRun]:
        told = zip(self.runs, self.consumed[:, index], strict=True)
        return [run for run, consumed in told if used_or_absent(run, self.named[index], bool(consumed)) is RunWord.ABSENT]

    def _in_training(self, index: int) -> Iterator[RunInTraining]:
        registered = [manifest.registered_at or manifest.started_at for manifest, _, _ in self.owned[index].places]
        for run in self.training:
            word = in_training(run, self.named[index], registered)
            if word is not None:
                yield RunInTraining(run, word)

    def _passes(self, index: int, wanted: PhotoFilter) -> bool:
        photo = self.owned[index]
        return (
            (wanted.year is None or (photo.posted_at is not None and photo.posted_at.year == wanted.year))
            and (not wanted.text or wanted.text.casefold() in photo.caption.casefold())
            and (wanted.manifest is None or any(manifest.public_id == wanted.manifest for manifest, _, _ in photo.places))
            and (wanted.run is None or wanted.run in self._consumers(index))
            and self._answers(index, wanted.status)
        )

    def _answers(self, index: int, status: PhotoStatus) -> bool:
        match status:
            case PhotoStatus.ANY:
                return True
            case PhotoStatus.IN_RUN:
                return bool(self.consumed[:, index].any())
            case PhotoStatus.ABSENT:
                return bool(self._absent(index))
            case PhotoStatus.LISTED:
                return self._since(index) is not None
        opted_out = self.standing.opted_out(self.owned[index].owner, self.owned[index].uid)
        if status is PhotoStatus.FILED:
            return opted_out and self._since(index) is None
        return opted_out is (status is PhotoStatus.OPTED_OUT)


def _in_full(session: Session, runs: RunArtefacts, owners: Sequence[str], owned: list[OwnedPhoto]) -> list[Photo]:
    return _album(session, runs, owners, owned, [photo.uid for photo in owned]).photos(range(len(owned)))


def _album(
    session: Session, runs: RunArtefacts, owners: Sequence[str], owned: list[OwnedPhoto], uids: Sequence[str] | None = None
) -> Album:
    standing = standing_opt_outs(session, owners, uids)
    return Album(owned, recorded_runs(session), runs, standing, session, runs_in_training(session))


def _manifest_ref(place: Place) -> ManifestRef:
    manifest, _, position = place
    return ManifestRef(manifest.id, manifest.public_id, manifest.name, position, manifest.registered_at or manifest.started_at)


def run_ref(run: TrainingRun) -> RunRef:
    is_over = run.state is not RunState.TRAINING
    return RunRef(
        run.public_id,
        run.name,
        run.list_version,
        run.started_at or run.queued_at,
        run.finished_at if is_over else None,
        run.first_started_at,
        is_over or run.list_read_at is not None,
    )


def runs_in_training(session: Session) -> list[RunRef]:
    """Runs in training now, in the order in which they were queued."""
    training = select(TrainingRun).where(TrainingRun.state == RunState.TRAINING).order_by(TrainingRun.id)
    return [run_ref(run) for run in session.scalars(training)]
