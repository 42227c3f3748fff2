"""An owner says: that photo is mine, and somebody else's opt-out takes it out of training."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from demur.errors import DemurError
from demur.receipts import LogKind, Statement
from models import Account, LogEntry, OptOut, OptOutMatch
from rights import audit, log
from rights.locks import lock_entries_shared
from rights.own import own_owners
from rights.propagation import hold, search_again
from rights.reach_limits import Hold
from rights.statements import state_of_requests
from rights.taken import taken_from

MOST_STATED = 500  # of an account's contests, the newest, that are looked through for one photo


class NothingToContest(DemurError):
    """No opt-out of anybody else takes any of these photos out."""


def contest_photos(session: Session, account: Account, uids: Sequence[str], now: datetime) -> int:
    """Puts photos back that others' opt-outs took out, and holds these for the operator; returns how many photos. Raises NothingToContest.

    Whose photos they are, nobody here knows yet: so nothing of others follows from the opt-outs until the operator accepts the rows again,
    as proposals, or denies the opt-outs. The log gets a statement for the owner, and one for each request that is held.
    """
    lock_entries_shared(session)
    reaching = _reaching(session, account, uids)
    if not reaching:
        raise NothingToContest("no opt-out of anybody else takes this photo out")
    contested: set[str] = set()
    own = own_owners(session, reaching)
    for opt_out in reaching:
        rows = select(OptOutMatch).where(
            OptOutMatch.opt_out_id == opt_out.id,
            OptOutMatch.uid.in_(uids),
            OptOutMatch.owner.in_(account.owners),
            OptOutMatch.contested_at.is_(None),
        )
        for match in session.scalars(rows.with_for_update()):
            match.contested_at, match.accepted_at = now, None
            contested.add(match.uid)
        hold(session, opt_out, Hold.CONTESTED, own[opt_out.id], now)
        search_again(session, opt_out, now)
        audit.record(session, account.public_id, "photo.contested", opt_out.public_id, {}, now)
    statement = Statement(LogKind.PHOTO_CONTESTED, now, photos=tuple(sorted(contested)))
    log.state(session, statement, now, account_id=account.id)
    state_of_requests(session, LogKind.OPT_OUT_HELD, reaching, now)
    return len(contested)


def statements_about(session: Session, account: Account, uid: str) -> list[LogEntry]:
    """What was stated about the account's contests of a photo, oldest first."""
    stated = select(LogEntry).where(LogEntry.account_id == account.id).options(undefer(LogEntry.statement))
    newest = session.scalars(stated.order_by(LogEntry.id.desc()).limit(MOST_STATED)).all()
    return [entry for entry in reversed(newest) if uid in Statement.parse(entry.statement).photos]


def _reaching(session: Session, account: Account, uids: Sequence[str]) -> Sequence[OptOut]:
    """Others' active opt-outs that take any of the photos out, locked in one order everywhere.

    What the operator accepted after it was contested stays.
    """
    rows = select(OptOutMatch.opt_out_id).join(OptOut, OptOutMatch.opt_out_id == OptOut.id)
    taking = rows.where(OptOutMatch.uid.in_(uids), *taken_from(account.owners))
    theirs = select(OptOut).where(OptOut.id.in_(taking), OptOut.withdrawn_at.is_(None))
    return session.scalars(theirs.order_by(OptOut.id).with_for_update().execution_options(populate_existing=True)).all()
