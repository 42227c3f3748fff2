"""The dated history of one photo, from its posting to the runs that are trained without it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session, joinedload

from models import Account, EndedBy, ExclusionListVersion, Exemption, OptOut, OptOutMatch, OptOutOrigin, OptOutScope
from rights.listed import listed_by_opt_out
from rights.photo import ManifestRef, Photo, RunRef
from rights.standing import matched
from rights.used import Spans, TrainingWord, entered_at, left_at


class EventKind(StrEnum):
    """In the order in which events of one second are told: a list's version is dated in whole seconds."""

    POSTED = "posted"
    REGISTERED = "registered"  # entered a manifest
    TRAINED = "trained"  # a run began that consumed it
    TRAINING = "training"  # a run began that is training on it now
    FILED = "filed"  # an opt-out was filed
    LISTED = "listed"  # in the exclusion list from this version on
    COPY_LISTED = "copy_listed"  # the same, because somebody else opted out a picture it is a copy of
    STARTING = "starting"  # a run began that has not read the list yet
    LEAVING_OUT = "leaving_out"  # a run began that is in training, under such a version
    ABSENT = "absent"  # a run began under such a version, and did not use it
    ENDED = "ended"  # an opt-out was taken back or denied
    EXEMPTED = "exempted"  # the photo was put back, and the opt-out of everything else goes on
    UNLISTED = "unlisted"  # from this version on the list names it no longer


@dataclass(frozen=True)
class HistoryEvent:
    """One dated line.

    ``copies``: for LISTED, how many other rows the same opt-out keeps out of training as copies of the photo. ``through``: of an
    opt-out that reaches this photo as a copy, what was opted out (as in OptOutRef). ``reference``: of the request that filed it, also
    after it ended. ``by_oneself``: whether the person's account filed it, or ended it; a sign-in that was linked may have brought the
    photo from another account. Runs stand where they began.

    ``can_contest``: for COPY_LISTED, whether it is so still. For ENDED: who ended it, because of what (a DenialReason), and what keeps the
    photo out in spite of that, if anything does: ``stays_by``, the reference of a request, empty for an opt-out of the platform's.
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
    by_oneself: bool = True
    ended_by: EndedBy | None = None
    ended_because: str = ""
    stays_by: str | None = None
    can_contest: bool = False


_ORDER = list(EventKind)
_IN_TRAINING = {
    TrainingWord.STARTING: EventKind.STARTING,
    TrainingWord.TRAINING: EventKind.TRAINING,
    TrainingWord.LEAVING_OUT: EventKind.LEAVING_OUT,
}


def photo_history(session: Session, photo: Photo, account: Account) -> list[HistoryEvent]:
    """Everything dated that is known of a photo of this account, oldest first; opt-outs that ended, too."""
    named = listed_by_opt_out(session, photo.owner, photo.uid)
    opt_outs = session.scalars(_own(photo, account).order_by(OptOut.id).options(joinedload(OptOut.request))).all()
    events = [*_facts(photo), *_of_lists(session, photo, named, account), *_of_opt_outs(session, photo, opt_outs, named, account)]
    return sorted(events, key=lambda event: (event.at.replace(microsecond=0), _ORDER.index(event.kind), event.at))


def _facts(photo: Photo) -> Iterator[HistoryEvent]:
    if photo.posted_at is not None:
        yield HistoryEvent(photo.posted_at, EventKind.POSTED)
    for manifest in photo.manifests:
        yield HistoryEvent(manifest.registered_at, EventKind.REGISTERED, manifest=manifest)
    for run in photo.runs:
        yield HistoryEvent(run.began_at, EventKind.TRAINED, run=run, version=run.list_version)
    for run in photo.absent_from:
        yield HistoryEvent(run.began_at, EventKind.ABSENT, run=run, version=run.list_version)
    for one in photo.in_training:
        yield HistoryEvent(one.run.began_at, _IN_TRAINING[one.word], run=one.run, version=one.run.list_version)


def _of_lists(session: Session, photo: Photo, named: Mapping[int, Spans], account: Account) -> Iterator[HistoryEvent]:
    """When somebody else's opt-out brought the photo into the list, and when the list named it no longer."""
    others = set(session.scalars(select(OptOut.id).where(OptOut.id.in_(list(named)), OptOut.owner.not_in(account.owners))))
    entered = entered_at(tuple(span for opt_out_id in others for span in named[opt_out_id]))
    for version in entered:
        is_now = photo.copy_excluded_since is not None and version == entered[-1]
        yield HistoryEvent(_published(session, version), EventKind.COPY_LISTED, version=version, can_contest=is_now)
    for version in left_at(photo.named):
        yield HistoryEvent(_published(session, version), EventKind.UNLISTED, version=version)


def _own(photo: Photo, account: Account) -> Select[OptOut]:
    """The account's opt-outs that reach the photo, or did."""
    reached = select(OptOutMatch.opt_out_id).where(OptOutMatch.uid == photo.uid, OptOutMatch.owner == photo.owner, matched())
    return select(OptOut).where(
        or_(
            OptOut.public_id.in_([ref.public_id for ref in photo.opt_outs]),
            and_(OptOut.owner == photo.owner, OptOut.scope == OptOutScope.PHOTO, OptOut.subject == photo.uid),
            and_(OptOut.owner == photo.owner, OptOut.scope == OptOutScope.OWNER),
            and_(OptOut.owner.in_(account.owners), OptOut.id.in_(reached)),
        )
    )


def _of_opt_outs(
    session: Session, photo: Photo, opt_outs: Sequence[OptOut], named: Mapping[int, Spans], account: Account
) -> Iterator[HistoryEvent]:
    exempted = {opt_out.id: _exempted_at(session, opt_out, photo) for opt_out in opt_outs}
    for opt_out in opt_outs:
        filed = _filed(opt_out, photo, account)
        yield filed
        since = min((span.since for span in named.get(opt_out.id, ())), default=None)
        if since is not None:
            copies = 0 if filed.through else _copies(session, opt_out, photo)
            yield replace(filed, at=_published(session, since), kind=EventKind.LISTED, version=since, copies=copies)
        back = exempted[opt_out.id]
        if back is not None:
            yield HistoryEvent(back, EventKind.EXEMPTED, scope=opt_out.scope, origin=opt_out.origin)
        if opt_out.withdrawn_at is not None:
            others = [other for other in opt_outs if other is not opt_out and _reached(other, exempted[other.id], opt_out.withdrawn_at)]
            yield _ended(filed, opt_out, opt_out.withdrawn_at, others, account)


def _filed(opt_out: OptOut, photo: Photo, account: Account) -> HistoryEvent:
    is_of_photo = opt_out.owner == photo.owner and (opt_out.scope is OptOutScope.OWNER or opt_out.subject == photo.uid)
    through = "" if is_of_photo else opt_out.subject or opt_out.owner
    filed = HistoryEvent(opt_out.filed_at, EventKind.FILED, scope=opt_out.scope, origin=opt_out.origin, note=opt_out.note, through=through)
    request = opt_out.request
    if request is None:
        return filed
    is_own = request.account_id == account.id
    return replace(filed, request_public_id=request.public_id, reference=request.reference, by_oneself=is_own)


def _ended(filed: HistoryEvent, opt_out: OptOut, at: datetime, others: Sequence[OptOut], account: Account) -> HistoryEvent:
    """``others``: opt-outs that reached the photo then."""
    references = sorted(other.request.reference if other.request else "" for other in others)
    return replace(
        filed,
        at=at,
        kind=EventKind.ENDED,
        ended_by=opt_out.ended_by,
        ended_because=opt_out.ended_because,
        by_oneself=opt_out.ended_by_member == account.public_id,
        stays_by=references[-1] if references else None,
    )


def _reached(opt_out: OptOut, exempted_at: datetime | None, at: datetime) -> bool:
    """Whether an opt-out reached the photo when another one ended."""
    is_active = opt_out.filed_at <= at and (opt_out.withdrawn_at is None or opt_out.withdrawn_at > at)
    return is_active and (exempted_at is None or exempted_at > at)


def _exempted_at(session: Session, opt_out: OptOut, photo: Photo) -> datetime | None:
    """When the photo was put back from an opt-out of everything."""
    return session.scalar(select(Exemption.exempted_at).where(Exemption.opt_out_id == opt_out.id, Exemption.uid == photo.uid))


def _published(session: Session, version: int) -> datetime:
    return session.get_one(ExclusionListVersion, version).published_at


def _copies(session: Session, opt_out: OptOut, photo: Photo) -> int:
    """An opt-out of everything is about many photos, so its matches do not say which photo they are copies of."""
    if opt_out.scope is OptOutScope.OWNER:
        return 0
    rows = select(func.count()).where(OptOutMatch.opt_out_id == opt_out.id, OptOutMatch.uid != photo.uid, matched())
    return session.scalar(rows) or 0
