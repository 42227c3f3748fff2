"""Photos that other people's opt-outs take out of training, as their owner sees them."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from models import OptOut, OptOutMatch
from rights.standing import matched


def taken_from(owners: Sequence[str]) -> list[ColumnElement[bool]]:
    """Conditions on a match joined with its opt-out: it is somebody else's, takes a photo of these owners, and they did not contest it."""
    match = OptOutMatch
    others = (OptOut.withdrawn_at.is_(None), OptOut.owner.not_in(owners))
    return [match.owner.in_(owners), matched(), match.contested_at.is_(None), *others]


def taken_by_others(session: Session, owners: Sequence[str], most: int) -> list[str]:
    """The uids of these owners' photos that others' active opt-outs take out, and that nobody contested; the first ``most`` of them."""
    rows = select(OptOutMatch.uid).join(OptOut, OptOutMatch.opt_out_id == OptOut.id).where(*taken_from(owners))
    return list(session.scalars(rows.distinct().order_by(OptOutMatch.uid).limit(most)))


def count_taken(session: Session, owners: Sequence[str]) -> int:
    """How many they are in all."""
    rows = select(func.count(OptOutMatch.uid.distinct())).join(OptOut, OptOutMatch.opt_out_id == OptOut.id)
    return session.scalars(rows.where(*taken_from(owners))).one()
