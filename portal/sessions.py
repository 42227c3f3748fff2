"""Browser sessions kept on the server.

The cookie holds 256 random bits and nothing else; the table holds only their SHA-256, so a copy of the database signs nobody in.
A session is saved in a short transaction of its own, after the request's transaction has been committed: it may be lost without
harm, and it must be saved on GET requests too (a form token, the state of a sign-in).
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Flask, Request, Response, session
from flask.sessions import SessionInterface, SessionMixin
from sqlalchemy import delete, update
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.datastructures import CallbackDict

from models import WebSession
from portal.site import now

MEMBER_LIFETIME = timedelta(days=7)
STRANGER_LIFETIME = timedelta(days=1)
SESSIONLESS = ("/static/", "/api/", "/healthz")  # no cookie is read or set below these
WITH_SESSION = "/api/v1/lookups"  # but a member's own script may ask here


class ServerSession(CallbackDict[str, Any], SessionMixin):
    """A session's data with the digest it was loaded under; None when it is new."""

    def __init__(self, data: Mapping[str, Any], digest: str | None) -> None:
        self.modified = False
        self.accessed = False
        super().__init__(data, _mark)
        self.digest = digest
        self.replaces: str | None = None

    def renew(self, data: Mapping[str, Any]) -> None:
        """Goes on under a new id with only ``data``; the old id ends. Called whenever who is signed in changes."""
        self.clear()
        self.update(data)
        self.replaces, self.digest = self.digest or self.replaces, None
        self.modified = True


def renew_session(data: Mapping[str, Any]) -> None:
    """Gives the browser a new session id, so that one planted or seen before a sign-in is worth nothing after it."""
    current: Any = session
    current.renew(data)


class SqlSessionInterface(SessionInterface):
    def __init__(self, reading: sessionmaker[Session], writing: sessionmaker[Session], *, secure: bool) -> None:
        self.reading, self.writing, self.secure = reading, writing, secure
        # Browsers accept the prefix only for Secure cookies without a Domain: no sibling host can plant one.
        self.cookie = "__Host-demur" if secure else "demur"

    def open_session(self, app: Flask, request: Request) -> ServerSession | None:
        key = request.cookies.get(self.cookie)
        if not key or (request.path.startswith(SESSIONLESS) and request.path != WITH_SESSION):
            return ServerSession({}, None)
        digest = _digest(key)
        with self.reading() as db:
            row = db.get(WebSession, digest)
            return ServerSession(row.data, digest) if row is not None and row.expires_at > now() else ServerSession({}, None)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not isinstance(session, ServerSession) or not session.modified:
            return
        response.vary.add("Cookie")
        with self.writing.begin() as db:
            if session.replaces:
                db.execute(delete(WebSession).where(WebSession.digest == session.replaces))
            if session.digest is not None:
                # Never an insert: a session that a sign-out ended meanwhile stays ended.
                db.execute(update(WebSession).where(WebSession.digest == session.digest).values(data=dict(session)))
                return
            if not session:
                response.delete_cookie(self.cookie, secure=self.secure, httponly=True, samesite="Lax", path="/")
                return
            key = self._add(db, session)
        response.set_cookie(self.cookie, key, secure=self.secure, httponly=True, samesite="Lax", path="/")

    def _add(self, db: Session, session: ServerSession) -> str:
        db.execute(delete(WebSession).where(WebSession.expires_at <= now()))
        key = secrets.token_urlsafe(32)
        lifetime = MEMBER_LIFETIME if "_user_id" in session else STRANGER_LIFETIME
        db.add(WebSession(digest=_digest(key), data=dict(session), created_at=now(), expires_at=now() + lifetime))
        return key


def _mark(data: Any) -> None:
    data.modified = data.accessed = True


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
