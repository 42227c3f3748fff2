"""Who may send how much: what a view declares (portal.bodies), held against who asks. Before a body comes in, or before it is read."""

from flask import Flask, request

from config import Config
from front.admission import Allow, Allowed, Head
from portal.api.tokens import bearer
from portal.bodies import FIELDS_BYTES, body_of


def most_bytes(app: Flask, config: Config) -> int:
    """Of the body of the request that is being handled; asks who sends it where the view declares so."""
    body = body_of(app, request.endpoint)
    if body.scope is not None and bearer(body.scope) is None:
        return FIELDS_BYTES
    return body.bytes(config, request.mimetype)


def allowance(app: Flask, config: Config) -> Allow:
    """What the server in front allows, from a request's head alone. A token is looked up; a session is not, until the body is there."""

    def allow(head: Head) -> Allowed:
        environ = {name if name == "CONTENT_TYPE" else f"HTTP_{name}": value for name, value in head.headers.items()}
        with app.test_request_context(head.path, method=head.method, environ_overrides=environ):
            body = body_of(app, request.endpoint)
            if body.scope is not None and bearer(body.scope) is None:
                return Allowed(FIELDS_BYTES)
            return Allowed(body.bytes(config, request.mimetype), body.spooled)

    return allow
