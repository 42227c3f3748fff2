"""What a request's pages tell: how far it came, by which law it is answered, and until when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, not_, or_, select

from models import (
    EndedBy,
    ExclusionEntry,
    ExclusionListVersion,
    Exemption,
    OptOut,
    OptOutMatch,
    OptOutScope,
    Regime,
    RequestState,
    RightsRequest,
)
from portal.database import db
from rights.deadlines import term
from rights.reach_limits import Hold
from rights.request_runs import RequestRun, RequestTraining
from rights.standing import undecided


@dataclass(frozen=True)
class Law:
    name: str
    promise: str


NAMES = {
    Regime.GDPR: "Article 21 and Article 12(3) GDPR",
    Regime.UK_GDPR: "Article 21 and Article 12(3) UK GDPR",
    Regime.SWISS_FADP: "Article 30 of the Swiss Data Protection Act (FADP)",
    Regime.CCPA: "11 CCR § 7026 (CCPA)",
    Regime.VOLUNTARY: "the operator’s own promise",
}


def law_of(request: RightsRequest) -> Law:
    return Law(NAMES[request.regime], f"within {term(request.regime, request.kind)}")


@dataclass(frozen=True)
class PutBack:
    """Photos of a request, or pictures, that were put back at one time, or whose opt-out ended otherwise: ``by`` whom, and why."""

    at: datetime
    count: int
    by: EndedBy = EndedBy.MEMBER
    because: str = ""
    member: str = ""  # public id of the account that put them back, where that is known


@dataclass(frozen=True)
class Waiting:
    """Opt-outs of a request that wait for a person, and why."""

    because: Hold
    scope: OptOutScope
    count: int


class Progress(StrEnum):
    """How far a request came, in one word. Of several the first applies."""

    WITHDRAWN = "withdrawn"
    DENIED = "denied"
    COMING = "coming"  # the list's next version names it, or more of it
    LISTED = "listed"
    WAITING = "waiting"  # for a person
    KEPT = "kept"  # until a manifest brings the picture


@dataclass(frozen=True)
class Told:
    """A request with the sums of its opt-outs: ``filed`` of them, of which ``pictures`` were looked up and ``owners`` name everything,
    and those ``standing``.

    Of those standing: ``listed`` ones are in effect (the first of all since version ``since``); ``coming`` ones get into the list with its
    next version; ``held`` ones, looked-up pictures, are not before a person has looked; ``kept`` ones are of pictures that no manifest
    holds. ``waiting`` says why a person must look, also at copies of what is listed itself. ``searched``: for copies, in full.
    ``elsewhere``: those that ended from another account, whose sign-in one of this account's was then, or is now. ``denied_by``: who ended
    the last of a request that is denied.
    """

    request: RightsRequest
    filed: int
    pictures: int
    owners: int
    standing: int
    listed: int
    held: int
    kept: int
    searched: int
    elsewhere: int
    since: int | None
    waiting: tuple[Waiting, ...]
    put_back: tuple[PutBack, ...]
    denied_by: EndedBy | None

    @property
    def scope(self) -> OptOutScope | None:
        """What the request is mostly about; looked-up pictures may come with photos."""
        if not self.filed:
            return None
        if self.owners:
            return OptOutScope.OWNER
        return OptOutScope.PHOTO if self.photos else OptOutScope.PICTURE

    @property
    def photos(self) -> int:
        return self.filed - self.pictures

    @property
    def moving(self) -> bool:
        return self.request.state is RequestState.IN_PROGRESS

    @property
    def back(self) -> int:
        """How many photos and pictures of a request that goes on were put back by the member."""
        return sum(one.count for one in self.put_back if one.by is EndedBy.MEMBER)

    @property
    def ended(self) -> list[tuple[EndedBy, int]]:
        """By whom else some of them were ended, and how many."""
        counts = [(by, sum(one.count for one in self.put_back if one.by is by)) for by in (EndedBy.OPERATOR, EndedBy.PLATFORM)]
        return [(by, count) for by, count in counts if count]

    @property
    def coming(self) -> int:
        return self.standing - self.listed - self.held - self.kept

    @property
    def soon(self) -> bool:
        """Whether something changes within seconds or minutes, without anybody's doing."""
        return self.moving and (self.coming > 0 or self.searched < self.standing)

    @property
    def progress(self) -> Progress:
        match self.request.state:
            case RequestState.REVOKED:
                return Progress.WITHDRAWN
            case RequestState.DENIED:
                return Progress.DENIED
        if self.coming and not self.listed:
            return Progress.COMING
        if self.listed:
            return Progress.LISTED
        return Progress.WAITING if self.held else Progress.KEPT


class EventKind(StrEnum):
    """What happened to a request. What is of one second, for the times of lists and runs have no fractions, is told in this order."""

    RUN_BEFORE = "run_before"  # a run that began before what it contains, or will, was in the list
    FILED = "filed"
    LISTED = "listed"
    PUT_BACK = "put_back"
    RUN = "run"  # one that left out what the list named
    ENDED = "ended"  # withdrawn, or denied


@dataclass(frozen=True)
class Event:
    """``of``: the photos put back, or the run."""

    at: datetime
    kind: EventKind
    of: PutBack | RequestRun | RequestTraining | None = None


def events(told: Told, version: ExclusionListVersion | None, runs: Iterable[RequestRun | RequestTraining]) -> list[Event]:
    """What happened so far, by when it began. ``version``: the list's first that named anything of the request."""
    request = told.request
    happened = [Event(request.received_at, EventKind.FILED), *(Event(back.at, EventKind.PUT_BACK, back) for back in told.put_back)]
    happened += [Event(run.run.began_at, EventKind.RUN_BEFORE if run.began_before else EventKind.RUN, run) for run in runs]
    if version is not None:
        happened.append(Event(version.published_at, EventKind.LISTED))
    if request.state in (RequestState.REVOKED, RequestState.DENIED):
        happened.append(Event(request.closed_at or request.received_at, EventKind.ENDED))
    order = list(EventKind)
    return sorted(happened, key=lambda event: (event.at.replace(microsecond=0), order.index(event.kind)))


def told(request: RightsRequest) -> Told:
    """The request with its sums, by a few queries."""
    stands, looked_up = OptOut.withdrawn_at.is_(None), OptOut.scope == OptOutScope.PICTURE
    named = exists().where(ExclusionEntry.opt_out_id == OptOut.id, ExclusionEntry.ended.is_(False))
    held = and_(stands, looked_up, waits())
    kept = and_(stands, looked_up, not_(waits()), not_(named), OptOut.propagated_at.is_not(None))
    counted = {
        "pictures": looked_up,
        "owners": OptOut.scope == OptOutScope.OWNER,
        "standing": stands,
        "listed": and_(stands, OptOut.effective_version.is_not(None), not_(held), not_(kept)),
        "held": held,
        "kept": kept,
        "searched": and_(stands, OptOut.propagated_at.is_not(None)),
        "elsewhere": OptOut.ended_by_member.not_in(["", request.account.public_id]),
    }
    columns = [func.coalesce(func.sum(case((condition, 1), else_=0)), 0) for condition in counted.values()]
    since = func.min(OptOut.effective_version)
    filed, first, *sums = db().execute(select(func.count(OptOut.id), since, *columns).where(OptOut.request_id == request.id)).one()
    found = dict(zip(counted, sums, strict=True))
    back, by = _put_back(request), _denied_by(request)
    return Told(request, filed, since=first, waiting=_waiting(request), put_back=back, denied_by=by, **found)


def waits() -> ColumnElement[bool]:
    """Condition: a person must decide what the opt-out takes of others."""
    return and_(OptOut.held, or_(OptOut.propagated_at.is_(None), exists().where(OptOutMatch.opt_out_id == OptOut.id, undecided())))


def _waiting(request: RightsRequest) -> tuple[Waiting, ...]:
    """By reason, in the order in which they were filed."""
    asked = (OptOut.request_id == request.id, OptOut.withdrawn_at.is_(None), waits())
    rows = select(OptOut.held_because, OptOut.scope, func.count()).where(*asked).group_by(OptOut.held_because, OptOut.scope)
    return tuple(Waiting(Hold(because), scope, count) for because, scope, count in db().execute(rows.order_by(func.min(OptOut.id))))


def _put_back(request: RightsRequest) -> tuple[PutBack, ...]:
    """What was put back of a request that goes on, oldest first."""
    if request.state in (RequestState.REVOKED, RequestState.DENIED):
        return ()
    columns = (OptOut.withdrawn_at, OptOut.ended_by, OptOut.ended_because, OptOut.ended_by_member)
    back = select(columns[0], func.count(), *columns[1:]).where(OptOut.request_id == request.id, OptOut.withdrawn_at.is_not(None))
    exempt = select(Exemption.exempted_at, func.count()).join(OptOut).where(OptOut.request_id == request.id)
    rows = [*db().execute(back.group_by(*columns)), *db().execute(exempt.group_by(Exemption.exempted_at))]
    return tuple(sorted((PutBack(*row) for row in rows), key=lambda one: one.at))


def _denied_by(request: RightsRequest) -> EndedBy | None:
    if request.state is not RequestState.DENIED:
        return None
    ended = select(OptOut.ended_by).where(OptOut.request_id == request.id, OptOut.ended_by != EndedBy.MEMBER)
    return db().scalar(ended.order_by(OptOut.withdrawn_at.desc(), OptOut.id.desc()).limit(1))


def photo_uids(request: RightsRequest) -> Select[str]:
    """The uids of the photos that a request names."""
    return select(OptOut.subject).where(OptOut.request_id == request.id, OptOut.scope == OptOutScope.PHOTO).order_by(OptOut.id)
