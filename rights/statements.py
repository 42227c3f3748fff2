"""What is stated about opt-outs, for the transparency log."""

from collections.abc import Iterable
from datetime import datetime

from demur.receipts import LogKind, Statement
from demur.runs import ListReference
from models import OptOutScope

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
