"""Form tokens: what shows that a form was sent from a page of this portal, to the person who was signed in there.

A token is computed and never stored. A member's is bound to their session; a stranger's to nothing but this portal, for a stranger's forms
change nothing. A member's token also names its account, under a key: when the session is lost it shows whose form it was
(portal.auth.going_on).
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from flask import Blueprint, Flask, current_app, g, request

from demur.errors import DemurError
from portal.database import READING_POSTS
from portal.sessions import current_session
from portal.site import site

FIELD = "csrf_token"
HEADER = "X-CSRFToken"
_NONCE, _MAC = 8, 16
_STRANGER, _MEMBER = _NONCE + _MAC, _NONCE + 3 * _MAC


class FormTokenRefused(DemurError):
    """The form has no token of this portal, or one of another session."""


@dataclass(frozen=True)
class MemberToken:
    """A token that this portal made for a member. ``session`` and ``account`` are digests under its nonce."""

    nonce: bytes
    session: bytes
    account: bytes

    def is_of_session(self, digest: str | None) -> bool:
        return digest is not None and hmac.compare_digest(self.session, _mac("session", self.nonce, digest.encode()))

    def is_of_account(self, account_id: int) -> bool:
        return hmac.compare_digest(self.account, _mac("account", self.nonce, str(account_id).encode()))


class SentFromElsewhere(DemurError):
    """Another website had the browser send this."""


class FormTokens:
    """Checks every form before its view runs, except those that are exempt."""

    def __init__(self, app: Flask) -> None:
        self._exempt: set[Blueprint | Callable[..., object]] = set()
        app.extensions["csrf"] = self
        app.jinja_env.globals[FIELD] = form_token
        app.before_request(self._check)

    def exempt(self, area: Blueprint | Callable[..., object]) -> None:
        """A blueprint or a view that is for machines, or changes nothing."""
        self._exempt.add(area)

    def protect(self) -> None:
        """Raises FormTokenRefused, SentFromElsewhere. Reads the form to its end."""
        refuse_other_sites()
        sent = read_token(request.form.get(FIELD) or request.headers.get(HEADER, ""))
        if sent is None:
            raise FormTokenRefused("the form has no token of this portal")
        session = current_session()
        if session.entered is None or request.endpoint in READING_POSTS:
            return  # nothing can change: there is nobody, or nothing is written
        if not isinstance(sent, MemberToken) or not sent.is_of_session(session.digest):
            raise FormTokenRefused("the form was opened in another session")

    def _check(self) -> None:
        if request.method in ("GET", "HEAD", "OPTIONS", "TRACE") or not request.endpoint:
            return
        view, area = current_app.view_functions.get(request.endpoint), current_app.blueprints.get(request.blueprint or "")
        if view not in self._exempt and area not in self._exempt:
            self.protect()


def refuse_other_sites() -> None:
    """Raises SentFromElsewhere where the browser says that another website sent this request.

    Of a page that tells nobody its address, a browser says `Origin: null` although the page is ours; nobody but the browser can say
    `Sec-Fetch-Site: same-origin` beside it.
    """
    sender, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    hidden = origin == "null" and sender == "same-origin"
    if sender not in (None, "same-origin", "none") or not (origin is None or hidden or _is_ours(origin)):
        raise SentFromElsewhere("it was sent by another website")


def _is_ours(origin: str) -> bool:
    """By its host and port."""
    try:
        return urlsplit(origin).netloc in (request.host, urlsplit(site().config.base_url).netloc)
    except ValueError:
        return False


def form_token() -> str:
    """The token for the forms of this page."""
    if FIELD not in g:
        session = current_session()
        entered = session.entered
        g.csrf_token = _member(session.digest or "", entered.account_id) if entered else _stranger()
    token: str = g.csrf_token
    return token


def read_token(text: str) -> MemberToken | bytes | None:
    """What a token says: a member's; a stranger's nonce; None if this portal did not make it."""
    try:
        token = urlsafe_b64decode(text.encode("ascii"))
    except ValueError:
        return None
    plain, mac = token[:-_MAC], token[-_MAC:]
    if len(token) == _STRANGER and hmac.compare_digest(mac, _mac("stranger", plain)):
        return plain
    if len(token) == _MEMBER and hmac.compare_digest(mac, _mac("member", plain)):
        return MemberToken(plain[:_NONCE], plain[_NONCE : _NONCE + _MAC], plain[_NONCE + _MAC :])
    return None


def _stranger() -> str:
    nonce = secrets.token_bytes(_NONCE)
    return urlsafe_b64encode(nonce + _mac("stranger", nonce)).decode()


def _member(digest: str, account_id: int) -> str:
    nonce = secrets.token_bytes(_NONCE)
    plain = nonce + _mac("session", nonce, digest.encode()) + _mac("account", nonce, str(account_id).encode())
    return urlsafe_b64encode(plain + _mac("member", plain)).decode()


def _mac(kind: str, *parts: bytes) -> bytes:
    """Kinds are apart by their name, and all but the last part have a length of their own, so no two inputs are one text."""
    return hmac.digest(site().secrets.forms, b"\0".join((kind.encode(), b"".join(parts))), sha256)[:_MAC]
