"""Which standing opt-outs reach which of a person's photos."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from demur.similarity.rules import MatchKind
from models import OptOut, OptOutMatch, OptOutOrigin, OptOutScope, RightsRequest
from rights.photo import OptOutRef

FEW_UIDS = 1000  # beyond, reading all of a person's opt-outs is quicker than naming the photos


@dataclass
class Standing:
    """Standing opt-outs of one person's photos: by owner key, by uid, and what others' opt-outs exclude."""

    by_owner: dict[str, list[OptOutRef]] = field(default_factory=dict)
    by_uid: dict[str, list[OptOutRef]] = field(default_factory=dict)
    copies: dict[str, int | None] = field(default_factory=dict)  # uid → list version since which a copy's opt-out excludes it

    def of(self, owner: str, uid: str) -> tuple[OptOutRef, ...]:
        """The opt-outs that reach this photo, the one that says most first."""
        return tuple(sorted({*self.by_owner.get(owner, ()), *self.by_uid.get(uid, ())}, key=_rank))

    def listed_since(self, owner: str, uid: str) -> int | None:
        """The list version from which on something excludes this photo without a break."""
        versions = [ref.effective_version for ref in self.of(owner, uid)] + [self.copies.get(uid)]
        return min((version for version in versions if version is not None), default=None)

    def covers(self, owner: str, uid: str) -> bool:
        """Whether the person themselves opted this very photo, or everything of its owner, out."""
        return any(ref.origin is OptOutOrigin.MEMBER and not ref.through for ref in self.of(owner, uid))


def _rank(ref: OptOutRef) -> tuple[bool, bool, bool, Any]:
    return (ref.origin is not OptOutOrigin.MEMBER, bool(ref.through), ref.scope is not OptOutScope.OWNER, ref.filed_at)


def standing_opt_outs(session: Session, owners: Sequence[str], uids: Sequence[str] | None = None) -> Standing:
    """Every opt-out not withdrawn that reaches photos of these owners; when a few uids are given, of these only."""
    standing = Standing()
    if uids is not None and len(uids) > FEW_UIDS:
        uids = None
    filed = _select().where(OptOut.owner.in_(owners), OptOut.scope != OptOutScope.PICTURE)
    if uids is not None:
        filed = filed.where(or_(OptOut.scope == OptOutScope.OWNER, OptOut.subject.in_(uids)))
    for row in session.execute(filed):
        if row.scope is OptOutScope.OWNER:
            standing.by_owner.setdefault(row.owner, []).append(_ref(row, through=""))
        else:
            standing.by_uid.setdefault(row.subject, []).append(_ref(row, through=""))
    for row in session.execute(_reached(owners, uids)):
        if row.owner not in owners:
            _add_copy(standing, row.uid, row.effective_version)
        elif row.subject != row.uid:
            refs = standing.by_uid.setdefault(row.uid, [])
            refs.append(_ref(row, through=row.subject))
    return standing


def _select(*columns: Any) -> Select[*tuple[Any, ...]]:
    standing: Select[*tuple[Any, ...]] = (
        select(
            OptOut.public_id,
            OptOut.scope,
            OptOut.origin,
            OptOut.owner,
            OptOut.subject,
            OptOut.filed_at,
            OptOut.propagated_at,
            OptOut.held,
            OptOut.effective_version,
            OptOut.note,
            RightsRequest.public_id.label("request_public_id"),
            RightsRequest.reference,
            *columns,
        )
        .outerjoin(RightsRequest, OptOut.request_id == RightsRequest.id)
        .where(OptOut.withdrawn_at.is_(None))
    )
    return standing


def _reached(owners: Sequence[str], uids: Sequence[str] | None) -> Select[*tuple[Any, ...]]:
    """Rows of these owners that were matched by an opt-out, other than by one for everything of that very owner."""
    reached = (
        _select(OptOutMatch.uid)
        .join(OptOutMatch, OptOutMatch.opt_out_id == OptOut.id)
        .where(OptOutMatch.owner.in_(owners), matched())
        .where(or_(OptOut.scope != OptOutScope.OWNER, OptOut.owner != OptOutMatch.owner))
        .distinct()
    )
    return reached if uids is None else reached.where(OptOutMatch.uid.in_(uids))


def matched() -> Any:
    """Condition: the match excludes its row, by rule or because a person accepted the proposal."""
    return or_(OptOutMatch.kind.in_([MatchKind.EXACT, MatchKind.CONFIRMED]), OptOutMatch.accepted_at.is_not(None))


def _add_copy(standing: Standing, uid: str, version: int | None) -> None:
    known = standing.copies.get(uid)
    if version is not None and (known is None or version < known):
        standing.copies[uid] = version


def _ref(row: Any, through: str) -> OptOutRef:
    return OptOutRef(
        public_id=row.public_id,
        scope=row.scope,
        origin=row.origin,
        filed_at=row.filed_at,
        propagated_at=row.propagated_at,
        held=row.held,
        effective_version=row.effective_version,
        note=row.note,
        through=through,
        request_public_id=row.request_public_id,
        reference=row.reference,
    )
