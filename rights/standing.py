"""Which standing opt-outs reach which of a person's photos."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, exists, or_, select
from sqlalchemy.orm import Session

from demur.exclusions import KeyKind
from demur.similarity.rules import MatchKind
from models import ExclusionEntry, Exemption, OptOut, OptOutMatch, OptOutOrigin, OptOutScope, RightsRequest
from rights.photo import PHOTO_DELETED, OptOutRef

FEW_UIDS = 1000  # beyond, reading all of a person's opt-outs is quicker than naming the photos


@dataclass(frozen=True)
class Reach:
    """One opt-out's reach to a photo, as the query gave it; ``since`` is the list version that first held its entry."""

    row: Any  # a row of _opt_outs()
    through: str
    since: int | None

    @property
    def by_oneself(self) -> bool:
        """Whether the person filed it for this very photo, or for everything of its owner."""
        return self.row.origin is OptOutOrigin.MEMBER and not self.through

    @property
    def rank(self) -> tuple[bool, bool, bool, Any]:
        row = self.row
        return row.origin is not OptOutOrigin.MEMBER, bool(self.through), row.scope is not OptOutScope.OWNER, row.filed_at


@dataclass
class Standing:
    """Standing opt-outs of one person's photos: by owner key, by uid, and what others' opt-outs exclude.

    ``exempt``: (public id of an opt-out of everything, uid) of the photos that were put back from it.
    """

    by_owner: dict[str, list[Reach]] = field(default_factory=dict)
    by_uid: dict[str, list[Reach]] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)  # uid → list version since which a copy's opt-out excludes it
    exempt: set[tuple[str, str]] = field(default_factory=set)

    def of(self, owner: str, uid: str) -> tuple[OptOutRef, ...]:
        """The opt-outs that reach this photo, the one that says most first."""
        return tuple(_ref(reach) for reach in sorted(self._reaching(owner, uid), key=lambda reach: reach.rank))

    def opted_out(self, owner: str, uid: str) -> bool:
        """Whether any opt-out of the person's, or of the platform's for them, reaches this photo."""
        return bool(self._reaching(owner, uid))

    def covers(self, owner: str, uid: str) -> bool:
        """Whether the person themselves opted this very photo, or everything of its owner, out."""
        return any(reach.by_oneself for reach in self._reaching(owner, uid))

    def deleted_at(self, owner: str, uid: str) -> datetime | None:
        """When the platform said that the person deleted this photo; None unless it did, and still says so."""
        deleted = (reach.row for reach in self._reaching(owner, uid) if not reach.through and reach.row.note == PHOTO_DELETED)
        return min((row.filed_at for row in deleted if row.origin is OptOutOrigin.PLATFORM), default=None)

    def listed_since(self, owner: str, uid: str) -> int | None:
        """The list version from which on something excludes this photo without a break."""
        versions = [reach.since for reach in self._reaching(owner, uid)] + [self.copies.get(uid)]
        return min((version for version in versions if version is not None), default=None)

    def _reaching(self, owner: str, uid: str) -> list[Reach]:
        of_everything = [reach for reach in self.by_owner.get(owner, []) if (reach.row.public_id, uid) not in self.exempt]
        return of_everything + self.by_uid.get(uid, [])


def standing_opt_outs(session: Session, owners: Sequence[str], uids: Sequence[str] | None = None) -> Standing:
    """Every opt-out not withdrawn that reaches photos of these owners; when a few uids are given, of these only."""
    standing = Standing()
    if uids is not None and len(uids) > FEW_UIDS:
        uids = None
    for row in session.execute(_filed(owners, uids)):
        by, key = (standing.by_owner, row.owner) if row.scope is OptOutScope.OWNER else (standing.by_uid, row.subject)
        by.setdefault(key, []).append(Reach(row, "", row.effective_version))
    standing.exempt.update((public_id, uid) for public_id, uid in session.execute(_exempted(owners, uids)))
    for row in session.execute(_reached(owners, uids)):
        if row.owner in owners:
            if row.subject != row.uid:
                standing.by_uid.setdefault(row.uid, []).append(Reach(row, row.subject or row.owner, row.since_version))
        elif row.since_version is not None:
            standing.copies[row.uid] = min(row.since_version, standing.copies.get(row.uid, row.since_version))
    return standing


def _opt_outs(*columns: Any) -> Select[*tuple[Any, ...]]:
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


def _filed(owners: Sequence[str], uids: Sequence[str] | None) -> Select[*tuple[Any, ...]]:
    """Opt-outs of these owners' photos and of everything they have."""
    filed = _opt_outs().where(OptOut.owner.in_(owners), OptOut.scope != OptOutScope.PICTURE)
    return filed if uids is None else filed.where(or_(OptOut.scope == OptOutScope.OWNER, OptOut.subject.in_(uids)))


def _exempted(owners: Sequence[str], uids: Sequence[str] | None) -> Select[str, str]:
    """Photos that were put back while an opt-out of everything of these owners stands."""
    stands = (OptOut.owner.in_(owners), OptOut.withdrawn_at.is_(None))
    exempted = select(OptOut.public_id, Exemption.uid).join(Exemption, Exemption.opt_out_id == OptOut.id).where(*stands)
    return exempted if uids is None else exempted.where(Exemption.uid.in_(uids))


def _reached(owners: Sequence[str], uids: Sequence[str] | None) -> Select[*tuple[Any, ...]]:
    """Rows of these owners that were matched by an opt-out, other than by one for everything of that very owner; but a photo that was put
    back from that one may still be reached by it, as a copy of another.

    An entry may be younger than its opt-out: a manifest that came later, or a proposal accepted later, brought it.
    """
    entry, match = ExclusionEntry, OptOutMatch
    put_back = exists().where(Exemption.opt_out_id == OptOut.id, Exemption.uid == match.uid)
    reached = (
        _opt_outs(match.uid, entry.since_version)
        .join(match, match.opt_out_id == OptOut.id)
        .outerjoin(entry, and_(entry.opt_out_id == OptOut.id, entry.kind == KeyKind.UID, entry.key == match.uid))
        .where(match.owner.in_(owners), matched())
        .where(or_(OptOut.scope != OptOutScope.OWNER, OptOut.owner != match.owner, put_back))
        .distinct()
    )
    return reached if uids is None else reached.where(match.uid.in_(uids))


def matched(match: Any = OptOutMatch) -> Any:
    """Condition: the match excludes its row, by rule or because a person accepted the proposal."""
    return or_(match.kind.in_([MatchKind.EXACT, MatchKind.CONFIRMED]), match.accepted_at.is_not(None))


def undecided(match: Any = OptOutMatch) -> Any:
    """Condition: the match is a proposal that nobody decided about."""
    return and_(match.kind == MatchKind.PROPOSED, match.accepted_at.is_(None), match.declined_at.is_(None))


def _ref(reach: Reach) -> OptOutRef:
    row = reach.row
    return OptOutRef(
        public_id=row.public_id,
        scope=row.scope,
        origin=row.origin,
        filed_at=row.filed_at,
        propagated_at=row.propagated_at,
        held=row.held,
        effective_version=reach.since,
        note=row.note,
        through=reach.through,
        request_public_id=row.request_public_id,
        reference=row.reference,
    )
