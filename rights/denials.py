"""The operator ends opt-outs: those that lie about a picture, or were filed for somebody else's photos."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeVarTuple

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, aliased

from demur.errors import DemurError
from demur.receipts import LogKind
from models import Account, EndedBy, OptOut, OptOutMatch, OptOutOrigin, OptOutScope, RequestState, RightsRequest
from rights import audit, log, states
from rights.locks import lock_entries_shared
from rights.own import of_others
from rights.standing import matched
from rights.statements import about_opt_outs
from rights.withdrawals import Ending, end_opt_outs

ACTORS = {EndedBy.OPERATOR: audit.OPERATOR, EndedBy.PLATFORM: audit.PLATFORM}
Columns = TypeVarTuple("Columns")


class DenialReason(StrEnum):
    """The reasons of the Data Rights Protocol 1.0 for which an objection can be denied, verbatim."""

    SUSPECTED_FRAUD = "suspected_fraud"
    INSUFFICIENT_VERIFICATION = "insuf_verification"
    NO_MATCH = "no_match"
    CLAIM_NOT_COVERED = "claim_not_covered"
    TOO_MANY_REQUESTS = "too_many_requests"
    OTHER = "other"


class UnknownRequest(DemurError):
    """No request has this reference."""


class UnknownMember(DemurError):
    """No member has this public id."""


@dataclass(frozen=True)
class Choice:
    """Opt-outs of members: of one request by its ``reference`` in any case, of one ``member`` by their public id; ``held`` ones, or all;
    active ones, and with ``ended`` those that are over, too."""

    reference: str = ""
    member: str = ""
    held: bool = False
    ended: bool = False

    def __str__(self) -> str:
        return self.reference.upper() or (f"the member {self.member}" if self.member else "any member")


class NothingToDeny(DemurError):
    """No opt-out of this choice is active."""

    def __init__(self, choice: Choice) -> None:
        super().__init__(f"{choice}: no opt-out of this choice is active")


@dataclass(frozen=True)
class Filed:
    """An opt-out as the operator sees it. ``photos`` and ``owners``: others' photos that it takes out, and whose they are;
    ``contested``: those of them whose owners said that they are theirs. ``ended_…``: of one that is over."""

    reference: str
    member: str
    scope: OptOutScope
    subject: str
    filed_at: datetime
    decoded: bool
    held: bool
    held_because: str
    photos: int
    owners: int
    contested: int
    ended_at: datetime | None
    ended_by: EndedBy | None
    ended_because: str


def chosen(session: Session, choice: Choice) -> list[Filed]:
    """What the operator asked for, oldest first. Raises UnknownRequest, UnknownMember."""
    _check(session, choice)
    match = aliased(OptOutMatch)
    gone = matched(match)
    columns = (
        RightsRequest.reference,
        Account.public_id,
        OptOut.scope,
        OptOut.subject,
        OptOut.filed_at,
        OptOut.decoded,
        OptOut.held,
        OptOut.held_because,
        func.count(func.distinct(match.uid)).filter(gone),
        func.count(func.distinct(match.owner)).filter(gone),
        func.count(func.distinct(match.uid)).filter(match.contested_at.is_not(None)),
        OptOut.withdrawn_at,
        OptOut.ended_by,
        OptOut.ended_because,
    )
    asked = _of_choice(select(*columns), choice).outerjoin(match, (match.opt_out_id == OptOut.id) & of_others(match))
    rows = session.execute(asked.group_by(OptOut.id, RightsRequest.id, Account.id).order_by(OptOut.id))
    return [Filed(*tuple(row)) for row in rows]


def active(session: Session, choice: Choice) -> list[Filed]:
    """What ``deny`` would end, oldest first. Raises NothingToDeny, UnknownRequest, UnknownMember."""
    found = chosen(session, replace(choice, ended=False))
    if not found:
        raise NothingToDeny(choice)
    return found


def deny(session: Session, choice: Choice, reason: DenialReason, now: datetime) -> int:
    """Ends the chosen opt-outs, states each of their requests in the log, and returns how many ended.

    Raises NothingToDeny, UnknownRequest, UnknownMember.
    """
    _check(session, choice)
    lock_entries_shared(session)
    asked = _of_choice(select(OptOut), replace(choice, ended=False)).order_by(OptOut.id).with_for_update(of=OptOut)
    opt_outs = session.scalars(asked.execution_options(populate_existing=True)).all()
    if not opt_outs:
        raise NothingToDeny(choice)
    end_for(session, opt_outs, EndedBy.OPERATOR, reason, now)
    return len(opt_outs)


def end_for(session: Session, opt_outs: Sequence[OptOut], by: EndedBy, reason: DenialReason, now: datetime) -> None:
    """Ends opt-outs, whose rows are locked. A request of which nothing is left is denied."""
    end_opt_outs(session, opt_outs, Ending(by, because=reason.value), now)
    for request_id in sorted({opt_out.request_id for opt_out in opt_outs if opt_out.request_id is not None}):
        request = session.get_one(RightsRequest, request_id, with_for_update=True, populate_existing=True)
        left = session.scalar(select(OptOut.id).where(OptOut.request_id == request_id, OptOut.withdrawn_at.is_(None)).limit(1))
        request.denied_because = reason.value
        if left is None:
            states.move(request, RequestState.DENIED, f"Denied by the {by.value}", now)
        ended = [(one.scope, one.owner, one.subject) for one in opt_outs if one.request_id == request_id]
        log.state(session, about_opt_outs(LogKind.OPT_OUT_DENIED, request.reference, ended, now), now, request_id=request_id)
        audit.record(session, ACTORS[by], "opt_outs.denied", request.public_id, {"because": reason.value, "all": left is None}, now)


def _check(session: Session, choice: Choice) -> None:
    """Raises UnknownRequest, UnknownMember."""
    if choice.reference:
        known = select(RightsRequest.id).where(RightsRequest.reference == choice.reference.upper())
        if session.scalar(known) is None:
            raise UnknownRequest(f"no request has the reference {choice.reference}")
    if choice.member and session.scalar(select(Account.id).where(Account.public_id == choice.member)) is None:
        raise UnknownMember(f"no member has the public id {choice.member}")


def _of_choice(statement: Select[*Columns], choice: Choice) -> Select[*Columns]:
    conditions: list[ColumnElement[bool]] = [OptOut.origin == OptOutOrigin.MEMBER]
    if not choice.ended:
        conditions.append(OptOut.withdrawn_at.is_(None))
    if choice.reference:
        conditions.append(RightsRequest.reference == choice.reference.upper())
    if choice.member:
        conditions.append(Account.public_id == choice.member)
    if choice.held:
        conditions.append(OptOut.held.is_(True))
    joined = statement.select_from(OptOut).join(RightsRequest, OptOut.request_id == RightsRequest.id)
    return joined.join(Account, RightsRequest.account_id == Account.id).where(*conditions)
