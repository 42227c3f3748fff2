"""What is stated about opt-outs, and about contests of them, for the transparency log."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from demur.receipts import LogKind, Statement
from demur.runs import ListReference
from models import Account, Identity, OptOut, OptOutMatch, OptOutScope, RightsRequest
from rights import log

Filed = tuple[OptOutScope, str, str]
"""Scope, owner and subject of an opt-out."""


def about_opt_outs(
    kind: LogKind, reference: str, opt_outs: Iterable[Filed], at: datetime, listed: ListReference | None = None
) -> Statement:
    """The statement about opt-outs of one request."""
    named: dict[OptOutScope, set[str]] = {scope: set() for scope in OptOutScope}
    for scope, owner, subject in opt_outs:
        named[scope].add(owner if scope is OptOutScope.OWNER else subject)
    photos, owners, pictures = (tuple(sorted(named[scope])) for scope in OptOutScope)
    return Statement(kind, at, reference, photos, pictures, owners, listed)


def state_of_requests(session: Session, kind: LogKind, opt_outs: Iterable[OptOut], now: datetime) -> None:
    """States something of opt-outs, in one statement for each request; of those of the platform, in one without a reference."""
    for request_id, some in groupby(sorted(opt_outs, key=_request_id), key=_request_id):
        reference = session.get_one(RightsRequest, request_id).reference if request_id else ""
        filed = [(one.scope, one.owner, one.subject) for one in some]
        log.state(session, about_opt_outs(kind, reference, filed, now), now, request_id=request_id or None)


def state_outcome(session: Session, matches: Iterable[OptOutMatch], kind: LogKind, now: datetime) -> None:
    """States how contests were decided, for each owner: CONTEST_ACCEPTED or CONTEST_REFUSED. Rows that nobody contested are left out."""
    photos: dict[str, set[str]] = defaultdict(set)
    for match in matches:
        if match.contested_at is not None:
            photos[match.owner].add(match.uid)
    for owner in sorted(photos):
        statement = Statement(kind, now, photos=tuple(sorted(photos[owner])))
        concerned = select(Account.id).where(Account.identities.any(Identity.owner == owner)).order_by(Account.id)
        accounts: list[int | None] = [*session.scalars(concerned)]
        for account_id in accounts or [None]:
            log.state(session, statement, now, account_id=account_id)


def _request_id(opt_out: OptOut) -> int:
    return opt_out.request_id or 0
