"""Bearer tokens on requests."""

from flask import request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from portal.site import site
from rights import tokens
from rights.tokens import Scope, ScopeMissing, UnknownToken


def require(scope: Scope) -> None:
    """Returns when the request carries a token with this scope. Raises Unauthorized, Forbidden.

    Reads in a transaction of its own: the request's may hold the one write lock, and an upload of gigabytes is yet to come in.
    """
    held = request.authorization
    if held is None or held.type != "bearer" or not held.token:
        raise Unauthorized("a bearer token is needed", www_authenticate=WWWAuthenticate("bearer"))
    try:
        with site().reading() as session:
            tokens.verify(session, held.token, scope)
    except UnknownToken as error:
        raise Unauthorized(str(error), www_authenticate=WWWAuthenticate("bearer", {"error": "invalid_token"})) from error
    except ScopeMissing as error:
        raise Forbidden(str(error)) from error
