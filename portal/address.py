"""Where the portal is: its own origin and path come from DEMUR_BASE_URL, and what a request claims about them is not believed.

A path ("https://photos.example/demur") may reach us in three ways: the proxy passes it on, cuts it off, or cuts it off and names it in
SCRIPT_NAME or X-Forwarded-Prefix. All three end in the same addresses.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from flask import Flask, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.middleware.proxy_fix import ProxyFix

from config import Config
from demur.errors import DemurError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ANY_HOST = frozenset({"pages.healthz"})  # asked by machines that know the process, not its name


class OtherHost(DemurError):
    """The request is for a host that is not this portal's."""


@dataclass(frozen=True)
class Address:
    """``path`` is empty, or begins with a slash and ends without one."""

    scheme: str
    host: str
    path: str

    @classmethod
    def parse(cls, base_url: str) -> Self:
        parts = urlsplit(base_url)
        return cls(parts.scheme, parts.netloc, parts.path.rstrip("/"))

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}"

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    @property
    def cookie_path(self) -> str:
        return self.path or "/"

    @property
    def cookie(self) -> str:
        """The session cookie's name. Browsers take __Host- only for the whole host and Secure, so no sibling host can plant one; __Secure-
        may be below a path."""
        if not self.secure:
            return "demur"
        return "__Secure-demur" if self.path else "__Host-demur"


class OwnAddress:
    """WSGI: gives each request the scheme and the path that the portal has, whatever server and sender say."""

    def __init__(self, app: "WSGIApplication", address: Address) -> None:
        self._app = app
        self._address = address

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["wsgi.url_scheme"] = self._address.scheme
        if (path := self._address.path) or not environ.get("demur.trusted_prefix"):
            environ["PATH_INFO"] = _inside(environ.get("PATH_INFO", ""), path, cut=environ.get("SCRIPT_NAME") == path)
            environ["SCRIPT_NAME"] = path
        return self._app(environ, start_response)


class _TrustedPrefix:
    """Notes that SCRIPT_NAME is from a proxy that is trusted."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["demur.trusted_prefix"] = True
        return self._app(environ, start_response)


def _inside(whole: str, path: str, *, cut: bool) -> str:
    """The part below ``path``, which a proxy may have cut off already."""
    inside = whole if cut or not (whole == path or whole.startswith(f"{path}/")) else whole[len(path) :]
    return inside or "/"


def init_app(app: Flask, config: Config, address: Address) -> None:
    app.wsgi_app = OwnAddress(app.wsgi_app, address)  # type: ignore[method-assign]  # Flask's own way
    if hops := config.trusted_proxies:
        app.wsgi_app = _TrustedPrefix(app.wsgi_app)  # type: ignore[method-assign]
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops)  # type: ignore[method-assign]

    @app.before_request
    def refuse_other_hosts() -> ResponseReturnValue | None:
        if request.host == address.host or request.endpoint in _ANY_HOST:
            return None
        if request.method == "GET" and _is_loopback(request.host, address.host):
            return redirect(address.origin + request.script_root + request.full_path.rstrip("?"))
        raise OtherHost(f"this portal is at {address.origin}; where that is wrong, DEMUR_BASE_URL is")


def _is_loopback(asked: str, own: str) -> bool:
    """This machine by another of its names: localhost for 127.0.0.1, at the same port."""
    try:
        one, other = urlsplit(f"//{asked}"), urlsplit(f"//{own}")
        return {one.hostname, other.hostname} <= _LOOPBACK and one.port == other.port
    except ValueError:  # the host or its port is none
        return False
