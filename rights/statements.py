"""What is stated about opt-outs, for the transparency log."""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby

from sqlalchemy.orm import Session

from demur.receipts import LogKind, Statement
from demur.runs import ListReference
from models import OptOut, OptOutScope, RightsRequest
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


def _request_id(opt_out: OptOut) -> int:
    return opt_out.request_id or 0
