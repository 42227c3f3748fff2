"""An owner says: that photo is mine, and somebody else's opt-out takes it out of training."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from demur.errors import DemurError
from models import Account, OptOut, OptOutMatch
from rights import audit
from rights.locks import lock_entries_shared
from rights.propagation import hold, search_again
from rights.reach_limits import Hold
from rights.standing import matched


class NothingToContest(DemurError):
    """No opt-out of anybody else takes this photo out."""


def contest_photo(session: Session, account: Account, uid: str, now: datetime) -> int:
    """Puts a photo back that others' opt-outs took out, and holds these for the operator; returns how many. Raises NothingToContest.

    Whose photo it is, nobody here knows yet: so nothing of others follows from the opt-outs until the operator accepts the rows again, as
    proposals, or denies the opt-outs.
    """
    lock_entries_shared(session)
    reaching = _reaching(session, account, uid)
    if not reaching:
        raise NothingToContest("no opt-out of anybody else takes this photo out")
    for opt_out in reaching:
        rows = select(OptOutMatch).where(
            OptOutMatch.opt_out_id == opt_out.id, OptOutMatch.uid == uid, OptOutMatch.owner.in_(account.owners)
        )
        for match in session.scalars(rows.with_for_update()):
            match.contested_at, match.accepted_at = now, None
        hold(session, opt_out, Hold.CONTESTED, now)
        search_again(session, opt_out, now)
        audit.record(session, account.public_id, "photo.contested", opt_out.public_id, {}, now)
    return len(reaching)


def taken_by_others(session: Session, owners: Sequence[str]) -> list[str]:
    """The uids of these owners' photos that others' active opt-outs take out, and that nobody contested."""
    match = OptOutMatch
    rows = (
        select(match.uid)
        .join(OptOut, match.opt_out_id == OptOut.id)
        .where(match.owner.in_(owners), matched(), match.contested_at.is_(None))
    )
    return list(session.scalars(rows.where(OptOut.withdrawn_at.is_(None), OptOut.owner.not_in(owners)).distinct().order_by(match.uid)))


def _reaching(session: Session, account: Account, uid: str) -> Sequence[OptOut]:
    """Others' active opt-outs that take the photo out, locked in one order everywhere."""
    match = OptOutMatch
    rows = select(match.opt_out_id).where(match.uid == uid, match.owner.in_(account.owners), matched())
    undecided = rows.where(match.contested_at.is_(None))  # the operator accepted it since: that stays
    theirs = select(OptOut).where(OptOut.id.in_(undecided), OptOut.withdrawn_at.is_(None), OptOut.owner.not_in(account.owners))
    return session.scalars(theirs.order_by(OptOut.id).with_for_update().execution_options(populate_existing=True)).all()
