"""Bearer tokens on requests."""

from flask import request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from models import ApiToken
from portal.site import site
from rights import tokens
from rights.tokens import Scope, ScopeMissing, UnknownToken


def require(scope: Scope) -> ApiToken:
    """The request's token, which has this scope. Raises Unauthorized, Forbidden."""
    return require_key(_held(), scope)


def require_key(key: str | None, scope: Scope) -> ApiToken:
    """The token whose text is ``key``, which has this scope. Raises Unauthorized, Forbidden."""
    if key is None:
        raise Unauthorized("a bearer token is needed", www_authenticate=WWWAuthenticate("bearer"))
    try:
        return _verified(key, scope)
    except UnknownToken as error:
        raise Unauthorized(str(error), www_authenticate=WWWAuthenticate("bearer", {"error": "invalid_token"})) from error
    except ScopeMissing as error:
        raise Forbidden(str(error)) from error


def bearer(scope: Scope) -> ApiToken | None:
    """The request's token if it is good for this scope."""
    held = _held()
    try:
        return _verified(held, scope) if held else None
    except (UnknownToken, ScopeMissing):
        return None


def _held() -> str | None:
    held = request.authorization
    return held.token if held is not None and held.type == "bearer" else None


def _verified(token: str, scope: Scope) -> ApiToken:
    """Reads in a transaction of its own: the request's may hold the one write lock, and an upload of gigabytes is yet to come in."""
    with site().reading() as session:
        return tokens.verify(session, token, scope)
