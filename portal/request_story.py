"""What a request's pages tell: how far it came, by which law it is answered, and until when."""

from dataclasses import dataclass

from sqlalchemy import Select, case, func, select

from models import (
    OptOut,
    OptOutMatch,
    OptOutScope,
    Regime,
    RequestState,
    RightsRequest,
    RunState,
    TrainingRun,
)
from portal.database import db
from portal.site import site
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
class Told:
    """A request with the sums of its opt-outs: ``filed`` of them, of which ``pictures`` were looked up, ``standing``, ``listed`` (of those
    standing) since version ``since``, ``held`` for a person, and ``copies``: further manifest rows that they exclude."""

    request: RightsRequest
    scope: OptOutScope | None
    filed: int
    pictures: int
    standing: int
    listed: int
    held: int
    since: int | None
    copies: int

    @property
    def photos(self) -> int:
        return self.filed - self.pictures

    @property
    def moving(self) -> bool:
        return self.request.state is RequestState.IN_PROGRESS


def told(request: RightsRequest) -> Told:
    """The request with its sums, by two queries."""
    stands = OptOut.withdrawn_at.is_(None)
    listed = stands & OptOut.effective_version.is_not(None)
    sums = (
        db()
        .execute(
            select(
                func.min(OptOut.scope),  # photos, where there are pictures too
                func.count(OptOut.id),
                func.sum(case((OptOut.scope == OptOutScope.PICTURE, 1), else_=0)),
                func.sum(case((stands, 1), else_=0)),
                func.sum(case((listed, 1), else_=0)),
                func.sum(case((OptOut.held, 1), else_=0)),
                func.max(OptOut.effective_version),
            ).where(OptOut.request_id == request.id)
        )
        .one()
    )
    copies = select(func.count()).select_from(OptOutMatch).join(OptOut).where(OptOut.request_id == request.id, matched())
    reached = db().scalar(copies.where(OptOutMatch.uid != OptOut.subject, OptOut.scope != OptOutScope.OWNER)) or 0
    scope, filed, pictures, standing, shown, held, since = sums
    return Told(request, OptOutScope(scope) if scope else None, filed, pictures or 0, standing or 0, shown or 0, held or 0, since, reached)


def left_out_by(request: RightsRequest, since: int | None) -> list[TrainingRun]:
    """The runs trained under a list that held what the request reaches, of which they used nothing, as their consumed samples show."""
    if since is None:
        return []
    reached = select(OptOutMatch.uid).join(OptOut).where(OptOut.request_id == request.id, matched())
    uids = list({*db().scalars(photo_uids(request)), *db().scalars(reached)})
    later = select(TrainingRun).where(TrainingRun.state == RunState.RECORDED, TrainingRun.list_version >= since)
    runs = db().scalars(later.order_by(TrainingRun.recorded_at)).all()
    return [run for run in runs if uids and not site().runs.consumed(run, uids).any()]


def photo_uids(request: RightsRequest) -> Select[str]:
    """The uids of the photos that a request names."""
    return select(OptOut.subject).where(OptOut.request_id == request.id, OptOut.scope == OptOutScope.PHOTO).order_by(OptOut.id)
