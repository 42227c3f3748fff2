"""The dated history of one photo, from its posting to the runs that are trained without it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, joinedload

from models import ExclusionListVersion, Exemption, OptOut, OptOutMatch, OptOutOrigin, OptOutScope
from rights.photo import ManifestRef, Photo, RunRef
from rights.standing import matched


class EventKind(StrEnum):
    """In the order in which events of one second are told: a list's version is dated in whole seconds."""

    POSTED = "posted"
    REGISTERED = "registered"  # entered a manifest
    TRAINED = "trained"  # a run began that consumed it
    TRAINING = "training"  # a run began that is training on it now
    FILED = "filed"  # an opt-out was filed
    LISTED = "listed"  # in the exclusion list from this version on
    COPY_LISTED = "copy_listed"  # the same, because somebody else opted out a picture it is a copy of
    ABSENT = "absent"  # a run began under such a version, and did not use it
    WITHDRAWN = "withdrawn"  # an opt-out was taken back
    EXEMPTED = "exempted"  # the photo was put back, and the opt-out of everything else goes on
    UNLISTED = "unlisted"  # that opt-out is out of the list from this version on, or no longer names the photo


@dataclass(frozen=True)
class HistoryEvent:
    """One dated line.

    ``copies``: for LISTED, how many other rows the same opt-out keeps out of training as copies of the photo. ``through``: of an
    opt-out that reaches this photo as a copy, what was opted out (as in OptOutRef). ``reference``: of the request that filed or ended it,
    also after it was withdrawn. Runs stand where they began.
    """

    at: datetime
    kind: EventKind
    manifest: ManifestRef | None = None
    run: RunRef | None = None
    scope: OptOutScope | None = None
    origin: OptOutOrigin | None = None
    note: str = ""
    version: int | None = None
    copies: int = 0
    through: str = ""
    request_public_id: str = ""
    reference: str = ""


_ORDER = list(EventKind)


def photo_history(session: Session, photo: Photo) -> list[HistoryEvent]:
    """Everything dated that is known of a photo, oldest first; opt-outs that were withdrawn, too."""
    events = [*_facts(photo), *_opt_out_events(session, photo)]
    if photo.copy_excluded_since is not None:
        version = session.get_one(ExclusionListVersion, photo.copy_excluded_since)
        events.append(HistoryEvent(version.published_at, EventKind.COPY_LISTED, version=version.version))
    return sorted(events, key=lambda event: (event.at.replace(microsecond=0), _ORDER.index(event.kind)))


def _facts(photo: Photo) -> Iterator[HistoryEvent]:
    if photo.posted_at is not None:
        yield HistoryEvent(photo.posted_at, EventKind.POSTED)
    for manifest in photo.manifests:
        yield HistoryEvent(manifest.registered_at, EventKind.REGISTERED, manifest=manifest)
    for run in photo.runs:
        yield HistoryEvent(run.began_at, EventKind.TRAINED, run=run, version=run.list_version)
    for run in photo.absent_from:
        yield HistoryEvent(run.began_at, EventKind.ABSENT, run=run, version=run.list_version)
    for run in photo.in_training:
        yield HistoryEvent(run.began_at, EventKind.TRAINING, run=run, version=run.list_version)


def _opt_out_events(session: Session, photo: Photo) -> Iterator[HistoryEvent]:
    through = [ref.public_id for ref in photo.opt_outs]
    about = select(OptOut).where(
        or_(
            OptOut.public_id.in_(through),
            and_(OptOut.owner == photo.owner, OptOut.scope == OptOutScope.PHOTO, OptOut.subject == photo.uid),
            and_(OptOut.owner == photo.owner, OptOut.scope == OptOutScope.OWNER),
        )
    )
    for opt_out in session.scalars(about.order_by(OptOut.id).options(joinedload(OptOut.request))):
        yield from _of_opt_out(session, opt_out, photo)
        if opt_out.scope is OptOutScope.OWNER and opt_out.owner == photo.owner:
            yield from _of_exemption(session, opt_out, photo)


def _of_opt_out(session: Session, opt_out: OptOut, photo: Photo) -> Iterator[HistoryEvent]:
    ref = next((ref for ref in photo.opt_outs if ref.public_id == opt_out.public_id), None)
    through = ref.through if ref else ""
    filed = HistoryEvent(opt_out.filed_at, EventKind.FILED, scope=opt_out.scope, origin=opt_out.origin, note=opt_out.note, through=through)
    if opt_out.request:
        filed = replace(filed, request_public_id=opt_out.request.public_id, reference=opt_out.request.reference)
    yield filed
    effective = ref.effective_version if ref else opt_out.effective_version  # it may reach this photo later than its own
    if effective is not None:
        version = session.get_one(ExclusionListVersion, effective)
        copies = 0 if through else _copies(session, opt_out, photo)
        yield replace(filed, at=version.published_at, kind=EventKind.LISTED, version=version.version, copies=copies)
    if opt_out.withdrawn_at is not None:
        yield replace(filed, at=opt_out.withdrawn_at, kind=EventKind.WITHDRAWN)
    still_listed = photo.listed_since is not None and opt_out.ended_version is not None and photo.listed_since <= opt_out.ended_version
    if opt_out.ended_version is not None and not still_listed:
        version = session.get_one(ExclusionListVersion, opt_out.ended_version)
        yield replace(filed, at=version.published_at, kind=EventKind.UNLISTED, version=version.version)


def _of_exemption(session: Session, opt_out: OptOut, photo: Photo) -> Iterator[HistoryEvent]:
    """When the photo was put back from an opt-out of everything, and since when that one no longer names it."""
    exemption = session.scalar(select(Exemption).where(Exemption.opt_out_id == opt_out.id, Exemption.uid == photo.uid))
    if exemption is None:
        return
    yield HistoryEvent(exemption.exempted_at, EventKind.EXEMPTED, scope=opt_out.scope, origin=opt_out.origin)
    until = exemption.effective_version
    was_listed = until is not None and opt_out.effective_version is not None and opt_out.effective_version < until
    if until is not None and was_listed and (photo.listed_since is None or photo.listed_since > until):
        version = session.get_one(ExclusionListVersion, until)
        yield HistoryEvent(version.published_at, EventKind.UNLISTED, scope=opt_out.scope, origin=opt_out.origin, version=version.version)


def _copies(session: Session, opt_out: OptOut, photo: Photo) -> int:
    """An opt-out of everything is about many photos, so its matches do not say which photo they are copies of."""
    if opt_out.scope is OptOutScope.OWNER:
        return 0
    rows = select(func.count()).where(OptOutMatch.opt_out_id == opt_out.id, OptOutMatch.uid != photo.uid, matched())
    return session.scalar(rows) or 0
