"""An OpenID provider that goes its own way: real HTTP, real signatures, and whatever a real or a hostile provider is known to do besides.

Nobody picks a member here: who comes is signed in at once as whoever ``claims`` say.
"""

import json
import socket
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, redirect, request
from flask.typing import ResponseReturnValue
from joserfc import jws
from joserfc.jwk import RSAKey

from tests.support.portals import free_port, serving

CLIENT_ID = "demur"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class HostileProvider:
    """``issuer`` is as it spells itself. None in ``discovery``, ``claims``, … takes a member away; anything else replaces it."""

    port: int
    issuer: str
    key: RSAKey
    kid: str | None = "first"
    discovery: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, str] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rotate(self, kid: str | None) -> None:
        """From now on another key signs, and the old one is no longer published."""
        self.key, self.kid = RSAKey.generate_key(2048, private=True), kid

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        named = {"kid": self.kid} if self.kid else {}
        # Claims in ASCII, as most providers spell them: half a character travels as an escape.
        return jws.serialize_compact(_changed({"alg": "RS256", **named, **self.header}, header), json.dumps(claims), self.key, ["RS256"])

    def logout_token(self, *, typ: str | None = "logout+jwt", **changes: Any) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": f"jti-{time.monotonic_ns()}"}
        return self.sign(_changed({**claims, "events": {LOGOUT_EVENT: {}}, "sub": "s1", "sid": "p1"}, changes), typ=typ)

    def published(self) -> dict[str, Any]:
        paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys", "userinfo_endpoint": "userinfo"}
        endpoints = {name: f"{self.base}/{path}" for name, path in paths.items()}
        return _changed({"issuer": self.issuer, **endpoints, "id_token_signing_alg_values_supported": ["RS256"]}, self.discovery)

    def jwks(self) -> dict[str, Any]:
        public = self.key.as_dict(private=False)
        return {"keys": [_changed(dict(public), {"kid": self.kid, "use": "sig"})]}

    def id_token(self, nonce: str, access_token: str) -> str:
        now = int(time.time())
        half = urlsafe_b64encode(sha256(access_token.encode()).digest()[:16]).rstrip(b"=").decode()
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "sub": "s1", "name": "Ada", "iat": now, "exp": now + 600, "auth_time": now}
        return self.sign(_changed({**claims, "nonce": nonce, "sid": "p1", "at_hash": half}, self.claims))


@contextmanager
def hostile_provider(issuer: str = "{base}", discovery_below: str = "") -> Iterator[HostileProvider]:
    """Serves one. ``discovery_below``: the path that the discovery document is below."""
    port = free_port()
    provider = HostileProvider(port, issuer.replace("{base}", f"http://127.0.0.1:{port}"), RSAKey.generate_key(2048, private=True))
    with serving(_app(provider, discovery_below), port):
        yield provider


@contextmanager
def dripping_provider(head: str, drop: str) -> Iterator[str]:
    """The address of a provider that sends ``head``, then a drop twice a second, and never an end."""
    over = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(head.encode())
            while not over.wait(0.5):
                connection.sendall(drop.encode())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            thread.join(10)


def _app(provider: HostileProvider, below: str) -> Flask:
    app = Flask(__name__)

    @app.get(f"{below}/.well-known/openid-configuration")
    def discovery() -> ResponseReturnValue:
        return jsonify(provider.published())

    @app.get("/keys")
    def keys() -> ResponseReturnValue:
        return jsonify(provider.jwks())

    @app.get("/authorize")
    def authorize() -> ResponseReturnValue:
        provider.asked = request.args.to_dict()
        answer = _changed({"code": "the-code", "state": request.args["state"]}, provider.answer)
        return redirect(f"{request.args['redirect_uri']}?{urlencode(answer)}")

    @app.post("/token")
    def token() -> ResponseReturnValue:
        verifier = urlsafe_b64encode(sha256(request.form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if verifier != provider.asked["code_challenge"] or request.form["redirect_uri"] != provider.asked["redirect_uri"]:
            return jsonify(error="invalid_grant"), 400
        access_token = "an-access-token"
        return jsonify(access_token=access_token, token_type="Bearer", id_token=provider.id_token(provider.asked["nonce"], access_token))

    @app.get("/userinfo")
    def userinfo() -> ResponseReturnValue:
        if request.headers.get("Authorization") != "Bearer an-access-token":
            return Response(status=401)
        return jsonify({"sub": "s1", **provider.userinfo})

    return app


def _changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (values | changes).items() if value is not None}
