"""Ending people's sessions: what the provider, the person or the end of an account asks for. A session that is ended stays ended."""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models import Account, UsedLogoutToken, WebSession

LOGOUT_TOKEN_LIFETIME = timedelta(minutes=15)  # longer than the time in which one is accepted


def end_sessions(session: Session, account: Account) -> int:
    """Ends all sessions of an account. Returns how many."""
    return _end(session, select(WebSession.digest).where(WebSession.account_id == account.id))


def end_sessions_of_identity(session: Session, iss: str, sub: str) -> int:
    """Ends the sessions that were begun by one sign-in's identity."""
    return _end(session, select(WebSession.digest).where(WebSession.iss == iss, WebSession.sub == sub))


def end_sessions_at_provider(session: Session, *, iss: str, sub: str = "", sid: str = "") -> int:
    """Ends what a logout token names (OpenID Connect Back-Channel Logout 1.0, section 2.7): the provider's session, or all of a subject."""
    named = select(WebSession.digest).where(WebSession.iss == iss)
    if sid:
        named = named.where(WebSession.sid == sid)
    if sub:
        named = named.where(WebSession.sub == sub)
    return _end(session, named) if sid or sub else 0


def use_logout_token(session: Session, iss: str, jti: str, now: datetime) -> bool:
    """Notes that a logout token was used. False if it was before. Two at once: one of them is the first."""
    session.execute(delete(UsedLogoutToken).where(UsedLogoutToken.expires_at <= now))
    digest = hashlib.sha256(f"{iss}\n{jti}".encode()).hexdigest()
    try:
        with session.begin_nested():
            session.add(UsedLogoutToken(digest=digest, expires_at=now + LOGOUT_TOKEN_LIFETIME))
    except IntegrityError:
        return False
    return True


def count_sessions(session: Session, account: Account, seen_since: datetime, now: datetime) -> int:
    """On how many browsers the account is signed in."""
    alive = select(func.count()).where(WebSession.account_id == account.id, WebSession.expires_at > now, WebSession.seen_at > seen_since)
    return session.scalar(alive) or 0


def _end(session: Session, digests: Select[str]) -> int:
    ended = session.execute(delete(WebSession).where(WebSession.digest.in_(digests)).returning(WebSession.digest))
    return len(ended.all())
