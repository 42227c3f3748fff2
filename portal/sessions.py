"""Browser sessions kept on the server.

The cookie holds 256 random bits and nothing else; the table holds only their SHA-256, so a copy of the database signs nobody in.
A session is saved in a short transaction of its own, after the request's transaction has been committed. A stranger has one only while a
sign-in is under way, so who reads a page or looks a picture up waits for no lock. What can be lost without harm (a message, the time of the
last visit) is lost rather than waited for; a sign-in that cannot be kept is an error.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import Flask, Request, Response, request, session
from flask.sessions import SessionInterface, SessionMixin
from sqlalchemy import delete, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.datastructures import CallbackDict

from models import WebSession
from portal.address import Address
from portal.secret import derived
from portal.site import now

MEMBER_LIFETIME = timedelta(days=7)
STRANGER_LIFETIME = timedelta(hours=1)
SEEN_EVERY = timedelta(minutes=5)  # how exactly it is known when somebody was last here
SESSIONLESS = ("/static/", "/api/", "/healthz", "/auth/back-channel-logout")  # no cookie is read or set below these
WITH_SESSION = "/api/v1/lookups"  # but a member's own script may ask here
NONCE_BYTES = 12

logger = structlog.get_logger("portal")


@dataclass(frozen=True)
class Entered:
    """The sign-in that began a session: whose account, and who the provider said it was. ``sid``: the session there, or empty."""

    account_id: int
    iss: str
    sub: str
    sid: str = ""


class ServerSession(CallbackDict[str, Any], SessionMixin):
    """A session's data, with the digest that it was loaded under: None when it is new. ``entered`` is None for a stranger."""

    def __init__(self, data: Mapping[str, Any], digest: str | None = None, entered: Entered | None = None) -> None:
        self.modified = False
        self.accessed = False
        super().__init__(data, _mark)
        self.digest = digest
        self.entered = entered
        self.seen_at: datetime | None = None
        self.sealed: bytes | None = None
        self.key = ""  # of a session that goes on under a new id: the cookie's value
        self.replaces: str | None = None
        self.needed = False  # whether the answer is worth nothing if the session is not saved
        self.given_up = False

    def renew(self, data: Mapping[str, Any], entered: Entered | None = None, id_token: str = "") -> None:
        """Goes on under a new id with only ``data``; the old id ends. Called whenever who is signed in changes."""
        self.clear()
        self.update(data)
        self.replaces, self.digest = self.digest or self.replaces, None
        self.key = secrets.token_urlsafe(32)
        self.entered = entered
        self.sealed = _seal(self.key, id_token) if id_token else None
        self.modified = self.needed = True


def current_session() -> ServerSession:
    """The session of this request."""
    return cast(ServerSession, session._get_current_object())  # type: ignore[attr-defined]  # a proxy


def is_members() -> bool:
    """Whether somebody is signed in; also asked where the session could not be read, and then nobody is."""
    found = session._get_current_object()  # type: ignore[attr-defined]  # a proxy
    return isinstance(found, ServerSession) and found.entered is not None


def renew_session(data: Mapping[str, Any], entered: Entered | None = None, id_token: str = "") -> None:
    """Gives the browser a new session id, so that one planted or seen before a sign-in is worth nothing after it."""
    current_session().renew(data, entered, id_token)


def kept_id_token(cookie: str) -> str:
    """The ID token of this session, which only the browser's cookie opens; empty where none is kept."""
    key, sealed = request.cookies.get(cookie, ""), current_session().sealed
    return _open(key, sealed) if key and sealed else ""


class SqlSessionInterface(SessionInterface):
    """``writing`` gives up soon: nobody's page waits for a session's row."""

    def __init__(self, reading: sessionmaker[Session], writing: sessionmaker[Session], idle: timedelta, address: Address) -> None:
        self.reading, self.writing, self.idle = reading, writing, idle
        self.cookie, self.secure, self.path = address.cookie, address.secure, address.cookie_path

    def open_session(self, app: Flask, request: Request) -> ServerSession:
        key = request.cookies.get(self.cookie)
        if not key or (request.path.startswith(SESSIONLESS) and request.path != WITH_SESSION):
            return ServerSession({})
        with self.reading() as db:
            row = db.get(WebSession, _digest(key))
            return _loaded(row) if row is not None and self._is_alive(row) else ServerSession({})

    def _is_alive(self, row: WebSession) -> bool:
        return now() < row.expires_at and (row.account_id is None or now() < row.seen_at + self.idle)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Raises OperationalError where the session is needed and the database does not take it."""
        if not isinstance(session, ServerSession) or session.given_up:
            return
        if not session.modified and not _is_to_be_seen(session):
            return
        try:
            self._save(session, response)
        except OperationalError as error:
            session.given_up = True
            if session.needed:
                raise
            logger.warning("session_not_saved", endpoint=request.endpoint, error=type(error.orig).__name__)

    def _save(self, session: ServerSession, response: Response) -> None:
        response.vary.add("Cookie")
        with self.writing.begin() as db:
            if session.replaces:
                db.execute(delete(WebSession).where(WebSession.digest == session.replaces))
            if session.digest is not None:
                # Never an insert: a session that a sign-out ended meanwhile stays ended.
                db.execute(update(WebSession).where(WebSession.digest == session.digest).values(data=dict(session), seen_at=now()))
                return
            if session or session.entered:
                self._add(db, session)
        if session or session.entered:
            response.set_cookie(self.cookie, session.key, secure=self.secure, httponly=True, samesite="Lax", path=self.path)
        else:
            response.delete_cookie(self.cookie, secure=self.secure, httponly=True, samesite="Lax", path=self.path)

    def _add(self, db: Session, session: ServerSession) -> None:
        db.execute(delete(WebSession).where(WebSession.expires_at <= now()))
        session.key = session.key or secrets.token_urlsafe(32)
        entered, at = session.entered, now()
        row = WebSession(digest=_digest(session.key), data=dict(session), created_at=at, seen_at=at, sealed=session.sealed)
        row.expires_at = at + (MEMBER_LIFETIME if entered else STRANGER_LIFETIME)
        if entered:
            row.account_id, row.iss, row.sub, row.sid = entered.account_id, entered.iss, entered.sub, entered.sid
        db.add(row)


def _loaded(row: WebSession) -> ServerSession:
    entered = Entered(row.account_id, row.iss, row.sub, row.sid) if row.account_id is not None else None
    session = ServerSession(row.data, row.digest, entered)
    session.seen_at, session.sealed = row.seen_at, row.sealed
    return session


def _is_to_be_seen(session: ServerSession) -> bool:
    """A person was here, and it is worth noting. What a page's scripts ask for by themselves keeps no session alive."""
    by_person = request.method == "POST" or request.headers.get("Sec-Fetch-Dest", "document") == "document"
    return by_person and session.entered is not None and session.seen_at is not None and now() - session.seen_at > SEEN_EVERY


def _mark(data: Any) -> None:
    data.modified = data.accessed = True


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _seal(key: str, id_token: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(derived(key.encode(), "ID token")).encrypt(nonce, id_token.encode(), None)


def _open(key: str, sealed: bytes) -> str:
    try:
        return AESGCM(derived(key.encode(), "ID token")).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None).decode()
    except InvalidTag:
        return ""
