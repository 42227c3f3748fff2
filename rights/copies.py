"""Which close copies went with a request: the person's own by name, those of others only by how they look and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from demur.similarity.rules import MatchKind
from models import OptOut, OptOutMatch, OptOutScope, RightsRequest
from rights.standing import matched

MOST = 12


@dataclass(frozen=True)
class Likeness:
    """How a copy differs from what was opted out: after ``edit``, turned by ``ORIENTATIONS[dihedral]``. None: nobody wrote it down."""

    kind: MatchKind
    edit: str | None
    dihedral: int | None


@dataclass(frozen=True)
class OwnCopy:
    """A photo of the person that went as a copy. ``original``: the uid of their photo that it is a copy of; empty for a looked-up picture,
    which nobody keeps."""

    original: str
    uid: str
    likeness: Likeness


@dataclass(frozen=True)
class OthersCopies:
    """So many photos of other members that look like this. Whose and which they are is not the person's to know."""

    likeness: Likeness
    count: int


@dataclass(frozen=True)
class Copies:
    """The first of each; ``own_total`` and ``others_total`` count all, in photos."""

    own: tuple[OwnCopy, ...] = ()
    own_total: int = 0
    others: tuple[OthersCopies, ...] = ()
    others_total: int = 0

    @property
    def total(self) -> int:
        return self.own_total + self.others_total

    @property
    def own_more(self) -> int:
        return self.own_total - len(self.own)

    @property
    def others_more(self) -> int:
        return self.others_total - sum(one.count for one in self.others)


def copies_of(session: Session, request: RightsRequest, owners: Sequence[str], most: int = MOST) -> Copies:
    """Copies that the standing opt-outs of a request take out besides what it names. ``owners``: whose photos are the person's own."""
    match = OptOutMatch
    named = select(OptOut.subject).where(OptOut.request_id == request.id, OptOut.scope == OptOutScope.PHOTO, OptOut.withdrawn_at.is_(None))
    went = (OptOut.request_id == request.id, OptOut.withdrawn_at.is_(None), matched(), match.uid.not_in(named))
    own = (*went, match.owner.in_(owners), OptOut.scope != OptOutScope.OWNER)
    others = (*went, match.owner.not_in(owners))
    return Copies(_own(session, own, most), _photos(session, own), _others(session, others, most), _photos(session, others))


def _once(conditions: Sequence[ColumnElement[bool]]) -> Select[int]:
    """The first row of each photo, however many manifests hold it and opt-outs reach it."""
    match = OptOutMatch
    rows = select(func.min(match.id)).join(OptOut, match.opt_out_id == OptOut.id).where(*conditions)
    return rows.group_by(match.owner, match.uid)


def _photos(session: Session, conditions: Sequence[ColumnElement[bool]]) -> int:
    return session.scalar(select(func.count()).select_from(_once(conditions).subquery())) or 0


def _own(session: Session, conditions: Sequence[ColumnElement[bool]], most: int) -> tuple[OwnCopy, ...]:
    match = OptOutMatch
    columns = select(OptOut.scope, OptOut.subject, match.uid, match.kind, match.edit, match.dihedral)
    rows = columns.join(OptOut, match.opt_out_id == OptOut.id).where(match.id.in_(_once(conditions)))
    return tuple(
        OwnCopy(subject if scope is OptOutScope.PHOTO else "", uid, Likeness(MatchKind(kind), edit, dihedral))
        for scope, subject, uid, kind, edit, dihedral in session.execute(rows.order_by(match.id).limit(most))
    )


def _others(session: Session, conditions: Sequence[ColumnElement[bool]], most: int) -> tuple[OthersCopies, ...]:
    match = OptOutMatch
    alike = (match.kind, match.edit, match.dihedral)
    counted = select(*alike, func.count()).where(match.id.in_(_once(conditions))).group_by(*alike)
    rows = counted.order_by(func.count().desc(), match.edit, match.dihedral).limit(most)
    return tuple(OthersCopies(Likeness(MatchKind(kind), edit, dihedral), count) for kind, edit, dihedral, count in session.execute(rows))
