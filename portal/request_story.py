"""What a request's pages tell: how far it came, by which law it is answered, and until when."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, case, func, select

from models import (
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
from rights.standing import matched


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
    """Photos of a request that were put back at one time."""

    at: datetime
    count: int


@dataclass(frozen=True)
class Told:
    """A request with the sums of its opt-outs: ``filed`` of them, of which ``pictures`` were looked up and ``owners`` name everything,
    ``standing``, ``listed`` (of those standing; the first of all since version ``since``), ``searched`` for copies, ``held`` for a person,
    and ``copies``: further manifest rows that those standing exclude."""

    request: RightsRequest
    filed: int
    pictures: int
    owners: int
    standing: int
    listed: int
    searched: int
    held: int
    since: int | None
    copies: int
    put_back: tuple[PutBack, ...]

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


def told(request: RightsRequest) -> Told:
    """The request with its sums, by a few queries."""
    stands = OptOut.withdrawn_at.is_(None)
    listed = stands & OptOut.effective_version.is_not(None)
    counted = {
        "pictures": OptOut.scope == OptOutScope.PICTURE,
        "owners": OptOut.scope == OptOutScope.OWNER,
        "standing": stands,
        "listed": listed,
        "searched": stands & OptOut.propagated_at.is_not(None),
        "held": stands & OptOut.held,
    }
    columns = [func.coalesce(func.sum(case((condition, 1), else_=0)), 0) for condition in counted.values()]
    since = func.min(OptOut.effective_version)
    filed, first, *sums = db().execute(select(func.count(OptOut.id), since, *columns).where(OptOut.request_id == request.id)).one()
    copies = select(func.count()).select_from(OptOutMatch).join(OptOut).where(OptOut.request_id == request.id, stands, matched())
    reached = db().scalar(copies.where(OptOutMatch.uid != OptOut.subject, OptOut.scope != OptOutScope.OWNER)) or 0
    return Told(request, filed, since=first, copies=reached, put_back=_put_back(request), **dict(zip(counted, sums, strict=True)))


def _put_back(request: RightsRequest) -> tuple[PutBack, ...]:
    """What was put back of a request that goes on, oldest first."""
    if request.state in (RequestState.REVOKED, RequestState.DENIED):
        return ()
    back = select(OptOut.withdrawn_at, func.count()).where(OptOut.request_id == request.id, OptOut.withdrawn_at.is_not(None))
    exempt = select(Exemption.exempted_at, func.count()).join(OptOut).where(OptOut.request_id == request.id)
    rows = [*db().execute(back.group_by(OptOut.withdrawn_at)), *db().execute(exempt.group_by(Exemption.exempted_at))]
    return tuple(sorted((PutBack(at, count) for at, count in rows), key=lambda one: one.at))


def photo_uids(request: RightsRequest) -> Select[str]:
    """The uids of the photos that a request names."""
    return select(OptOut.subject).where(OptOut.request_id == request.id, OptOut.scope == OptOutScope.PHOTO).order_by(OptOut.id)
