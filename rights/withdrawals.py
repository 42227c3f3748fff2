"""Taking an opt-out back: as easy as filing it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from demur.errors import DemurError
from demur.receipts import LogKind
from models import Account, ExclusionEntry, OptOut, OptOutOrigin, OptOutScope, RequestState, RightsRequest
from rights import audit, log, outbox, states
from rights.batches import batched
from rights.locks import lock_entries_shared
from rights.statements import about_opt_outs


class NothingToWithdraw(DemurError):
    """No opt-out of this person stands here any more."""


class CoveredByEverything(DemurError):
    """The photo is covered by an opt-out of everything, which can only be withdrawn as a whole."""


def withdraw_request(session: Session, account: Account, request: RightsRequest, now: datetime) -> None:
    """Takes back all that stands of the person's request. Raises NothingToWithdraw."""
    lock_entries_shared(session)
    standing = _standing(session, OptOut.request_id == request.id) if request.account_id == account.id else []
    if not standing:
        raise NothingToWithdraw("nothing of this request stands any more")
    _withdraw(session, account, standing, now)


def withdraw_photo(session: Session, account: Account, uid: str, now: datetime) -> None:
    """Puts one photo back. Raises NothingToWithdraw, CoveredByEverything."""
    lock_entries_shared(session)
    own = _standing(session, OptOut.owner.in_(account.owners), OptOut.scope == OptOutScope.PHOTO, OptOut.subject == uid)
    owners = {opt_out.owner for opt_out in own} or set(account.owners)
    if _standing(session, OptOut.owner.in_(owners), OptOut.scope == OptOutScope.OWNER):
        raise CoveredByEverything("you opted out all your photos; withdraw that request to put photos back")
    if not own:
        raise NothingToWithdraw("this photo is not opted out by you")
    _withdraw(session, account, own, now)


def end_opt_outs(session: Session, opt_outs: Sequence[OptOut], now: datetime) -> None:
    """Ends opt-outs, whose rows are locked, and with them their entries, from the next version of the list on."""
    for opt_out in opt_outs:
        opt_out.withdrawn_at = now
    for some in batched([opt_out.id for opt_out in opt_outs]):
        session.execute(update(ExclusionEntry).where(ExclusionEntry.opt_out_id.in_(some)).values(ended=True))
    session.flush()
    outbox.add_publication(session, now)


def _standing(session: Session, *conditions: Any) -> Sequence[OptOut]:
    """A member's opt-outs that stand, locked in one order everywhere."""
    standing = select(OptOut).where(OptOut.origin == OptOutOrigin.MEMBER, OptOut.withdrawn_at.is_(None), *conditions)
    return session.scalars(standing.order_by(OptOut.id).with_for_update().execution_options(populate_existing=True)).all()


def _withdraw(session: Session, account: Account, opt_outs: Sequence[OptOut], now: datetime) -> None:
    end_opt_outs(session, opt_outs, now)
    for request_id in sorted({opt_out.request_id for opt_out in opt_outs if opt_out.request_id is not None}):
        request = session.get_one(RightsRequest, request_id, with_for_update=True, populate_existing=True)
        left = session.scalar(select(OptOut.id).where(OptOut.request_id == request_id, OptOut.withdrawn_at.is_(None)).limit(1))
        if left is None:
            states.move(request, RequestState.REVOKED, "Withdrawn by you", now)
        withdrawn = [(one.scope, one.owner, one.subject) for one in opt_outs if one.request_id == request_id]
        statement = about_opt_outs(LogKind.OPT_OUT_WITHDRAWN, request.reference, withdrawn, now)
        log.state(session, statement, now, request_id=request_id)
        audit.record(session, account.public_id, "opt_outs.withdrawn", request.public_id, {"all": left is None}, now)
