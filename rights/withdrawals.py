"""Taking an opt-out back: as easy as filing it."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from demur.errors import DemurError
from demur.receipts import LogKind
from models import Account, EndedBy, ExclusionEntry, Exemption, OptOut, OptOutMatch, OptOutOrigin, OptOutScope, RequestState, RightsRequest
from rights import audit, log, outbox, states
from rights.batches import batched
from rights.locks import lock_entries_shared
from rights.optouts import PROPAGATE_OPT_OUTS
from rights.standing import undecided
from rights.statements import about_opt_outs, state_outcome


class NothingToWithdraw(DemurError):
    """No opt-out of this person stands here any more."""


def withdraw_request(session: Session, account: Account, request: RightsRequest, now: datetime) -> None:
    """Takes back all that stands of the person's request. Raises NothingToWithdraw."""
    lock_entries_shared(session)
    standing = _standing(session, OptOut.request_id == request.id) if request.account_id == account.id else []
    if not standing:
        raise NothingToWithdraw("nothing of this request stands any more")
    _withdraw(session, account, standing, now)


def withdraw_photo(session: Session, account: Account, uid: str, now: datetime) -> None:
    """Puts one photo back. Raises NothingToWithdraw."""
    if not put_back(session, account, [uid], now):
        raise NothingToWithdraw("this photo is not opted out by you")


def put_back(session: Session, account: Account, uids: Sequence[str], now: datetime) -> int:
    """Puts photos back, whichever of the person's own opt-outs names them, and returns how many.

    One under an opt-out of everything is exempted from it, and all others stay out, now and later. A photo that only the platform or
    somebody else keeps out is left as it is.
    """
    lock_entries_shared(session)
    back: set[str] = set()
    for some in batched(sorted(set(uids))):
        own = _standing(session, OptOut.owner.in_(account.owners), OptOut.scope == OptOutScope.PHOTO, OptOut.subject.in_(some))
        if own:
            _withdraw(session, account, own, now)
        back.update(opt_out.subject for opt_out in own)
    for everything in _standing(session, OptOut.owner.in_(account.owners), OptOut.scope == OptOutScope.OWNER):
        back.update(_exempt(session, account, everything, set(uids), now))
    return len(back)


def _exempt(session: Session, account: Account, everything: OptOut, uids: Set[str], now: datetime) -> Set[str]:
    """Exempts photos from an opt-out of everything; what it names instead of the owner is found by another propagation."""
    known = set(session.scalars(select(Exemption.uid).where(Exemption.opt_out_id == everything.id)))
    coming = sorted(uids - known)
    if not coming:
        return set()
    session.execute(insert(Exemption), [{"opt_out_id": everything.id, "uid": uid, "exempted_at": now} for uid in coming])
    for some in batched(coming):
        own_rows = (OptOutMatch.opt_out_id == everything.id, OptOutMatch.uid.in_(some), OptOutMatch.contested_at.is_(None))
        session.execute(delete(OptOutMatch).where(*own_rows))  # found again where it is a copy of another photo
    everything.propagated_at = None
    session.flush()
    request = session.get_one(RightsRequest, everything.request_id)
    exempted = [(OptOutScope.PHOTO, everything.owner, uid) for uid in coming]
    log.state(session, about_opt_outs(LogKind.OPT_OUT_WITHDRAWN, request.reference, exempted, now), now, request_id=request.id)
    audit.record(session, account.public_id, "photos.exempted", request.public_id, {"photos": len(coming)}, now)
    outbox.add(session, PROPAGATE_OPT_OUTS, {"opt_out_id": everything.id}, now)
    outbox.add_publication(session, now)  # the receipt need not wait for the search
    return set(coming)


@dataclass(frozen=True)
class Ending:
    """Who ends opt-outs: ``member`` is the public id of a member's account; ``because``, a DenialReason, is of those that are denied."""

    by: EndedBy
    member: str = ""
    because: str = ""


def end_opt_outs(session: Session, opt_outs: Sequence[OptOut], ending: Ending, now: datetime) -> None:
    """Ends opt-outs, whose rows are locked, and with them their entries, from the next version of the list on.

    Owners who contested, and about whom nobody decided, were right.
    """
    state_outcome(session, _contested_undecided(session, opt_outs), LogKind.CONTEST_ACCEPTED, now)
    for opt_out in opt_outs:
        opt_out.withdrawn_at = now
        opt_out.ended_by, opt_out.ended_by_member, opt_out.ended_because = ending.by, ending.member, ending.because
    for some in batched([opt_out.id for opt_out in opt_outs]):
        session.execute(update(ExclusionEntry).where(ExclusionEntry.opt_out_id.in_(some)).values(ended=True))
    session.flush()
    outbox.add_publication(session, now)


def _contested_undecided(session: Session, opt_outs: Sequence[OptOut]) -> list[OptOutMatch]:
    open_ones, found = select(OptOutMatch).where(OptOutMatch.contested_at.is_not(None), undecided()), list[OptOutMatch]()
    for some in batched([opt_out.id for opt_out in opt_outs]):
        found += session.scalars(open_ones.where(OptOutMatch.opt_out_id.in_(some)))
    return found


def _standing(session: Session, *conditions: Any) -> Sequence[OptOut]:
    """A member's opt-outs that stand, locked in one order everywhere."""
    standing = select(OptOut).where(OptOut.origin == OptOutOrigin.MEMBER, OptOut.withdrawn_at.is_(None), *conditions)
    return session.scalars(standing.order_by(OptOut.id).with_for_update().execution_options(populate_existing=True)).all()


def _withdraw(session: Session, account: Account, opt_outs: Sequence[OptOut], now: datetime) -> None:
    end_opt_outs(session, opt_outs, Ending(EndedBy.MEMBER, member=account.public_id), now)
    for request_id in sorted({opt_out.request_id for opt_out in opt_outs if opt_out.request_id is not None}):
        request = session.get_one(RightsRequest, request_id, with_for_update=True, populate_existing=True)
        left = session.scalar(select(OptOut.id).where(OptOut.request_id == request_id, OptOut.withdrawn_at.is_(None)).limit(1))
        if left is None:
            states.move(request, RequestState.REVOKED, "Withdrawn by you", now)
        withdrawn = [(one.scope, one.owner, one.subject) for one in opt_outs if one.request_id == request_id]
        statement = about_opt_outs(LogKind.OPT_OUT_WITHDRAWN, request.reference, withdrawn, now)
        log.state(session, statement, now, request_id=request_id)
        audit.record(session, account.public_id, "opt_outs.withdrawn", request.public_id, {"all": left is None}, now)
