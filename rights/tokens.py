"""Bearer tokens of machines: training jobs that pull the list, those that report runs, and partners that look pictures up."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from demur.errors import DemurError
from models import ApiToken
from rights import audit


class Scope(StrEnum):
    LIST_READ = "list:read"
    RUNS_WRITE = "runs:write"
    LOOKUP_READ = "lookup:read"


class TokenNameTaken(DemurError):
    """A token of this name exists, perhaps revoked; names stay unique so that the audit trail stays readable."""


class UnknownToken(DemurError):
    """The token is not known here, or was revoked."""


class ScopeMissing(DemurError):
    """The token is good, but not for this."""


def create(session: Session, name: str, scopes: Collection[Scope], now: datetime) -> str:
    """Makes a token and returns its text, which is not kept. Raises TokenNameTaken."""
    if session.scalar(select(ApiToken.id).where(ApiToken.name == name)) is not None:
        raise TokenNameTaken(f"there is a token named {name} already")
    text = "demur_" + secrets.token_urlsafe(32)
    session.add(ApiToken(name=name, digest=_digest(text), scopes=sorted(scopes), created_at=now))
    audit.record(session, audit.OPERATOR, "token.created", name, {"scopes": sorted(scopes)}, now)
    session.flush()
    return text


def verify(session: Session, token: str, scope: Scope) -> ApiToken:
    """The token's row. Raises UnknownToken or ScopeMissing."""
    row = session.scalar(select(ApiToken).where(ApiToken.digest == _digest(token), ApiToken.revoked_at.is_(None)))
    if row is None:
        raise UnknownToken("this token is not known here, or was revoked")
    if scope not in row.scopes:
        raise ScopeMissing(f"this token does not have the scope {scope}")
    return row


def revoke(session: Session, name: str, now: datetime) -> None:
    """Ends a token. Raises UnknownToken."""
    row = session.scalar(select(ApiToken).where(ApiToken.name == name, ApiToken.revoked_at.is_(None)).with_for_update())
    if row is None:
        raise UnknownToken(f"there is no token named {name} in use")
    row.revoked_at = now
    audit.record(session, audit.OPERATOR, "token.revoked", name, {}, now)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
