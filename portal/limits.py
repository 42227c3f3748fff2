"""How often one client may look pictures up, and change opt-outs, counted in the broker for all web processes together.

A client is a signed-in member, a machine's token, or else a network address: an IPv4 address or an IPv6 /64, which is what one household
gets. Addresses are counted under a keyed digest that goes with the window; none is stored or logged. While the broker is away each
process counts for itself: a broker that can be emptied at any time must neither stop lookups nor lift the limit.
"""

import hashlib
import hmac
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from flask import Flask, current_app, g, request
from flask_limiter import Limiter, RateLimitExceeded
from flask_login import current_user
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import Config
from front.admission import network
from portal.api.tokens import bearer
from portal.site import site
from rights.tokens import Scope

EXTENSION = "limiter"
_CHARGE = "limiter.charge"
# A broker that does not answer may cost one request this long; then the process counts for itself.
_PATIENCE = {"socket_timeout": 1, "socket_connect_timeout": 1, "retry": Retry(NoBackoff(), 0)}
LOOKUPS_TOGETHER, CHANGES_TOGETHER = "lookups", "changes"  # what is counted together
_MARK = "changes_opt_outs"
WORK_TOGETHER = "work"
_WORK = "heavy_work"
WORK_RATE = "30 per minute; 300 per hour"  # files sent to be checked, bundles of evidence made: each takes the processor for a while
View = TypeVar("View", bound=Callable[..., Any])


def heavy_work(view: View) -> View:
    """Declares that a view works for a while for whoever asks, so their number has a limit for each client."""
    setattr(view, _WORK, True)
    return view


def changes_opt_outs(view: View) -> View:
    """Declares that a view files, withdraws or decides: each is a statement in the log and a publication, so their number has a limit."""
    setattr(view, _MARK, True)
    return view


def init_app(app: Flask, config: Config) -> None:
    """Wraps the views that change opt-outs, so it comes after them."""
    limiter = Limiter(
        client,
        app=app,
        strategy="moving-window",
        storage_uri=_storage(config.broker),
        storage_options=_PATIENCE,  # type: ignore[arg-type]  # goes on to redis-py as it is
        in_memory_fallback_enabled=True,
        swallow_errors=True,  # of two requests that notice together that the broker went away, Flask-Limiter fails the second
        key_prefix="demur",
    )
    app.extensions[EXTENSION] = limiter
    app.extensions[_CHARGE] = limiter.shared_limit(_rate, scope=LOOKUPS_TOGETHER, cost=lambda: g.cost)(_charged)
    working = limiter.shared_limit(WORK_RATE, scope=WORK_TOGETHER)
    changing = limiter.shared_limit(config.changes_of_members, scope=CHANGES_TOGETHER)
    for endpoint, view in list(app.view_functions.items()):
        if getattr(view, _MARK, False):
            app.view_functions[endpoint] = changing(view)  # type: ignore[assignment]  # Flask-Limiter widens the type
        elif getattr(view, _WORK, False):
            app.view_functions[endpoint] = working(view)  # type: ignore[assignment]


def charge(lookups: int = 1) -> None:
    """Counts lookups of this request's client. Raises RateLimitExceeded."""
    g.cost = lookups
    current_app.extensions[_CHARGE]()


def count(lookups: int) -> None:
    """The same of what has been done already: the client's next request is the one that is refused."""
    for _ in range(lookups):
        with suppress(RateLimitExceeded):
            charge()


def _charged() -> None:
    """What Flask-Limiter wraps."""


def retry_after() -> int:
    """Whole seconds until the refused client may look up again."""
    breached = current_app.extensions[EXTENSION].current_limit
    return max(1, math.ceil(breached.window.reset_time - time.time()))


def is_stranger() -> bool:
    """Whether nothing but an address is known of the client."""
    return not current_user.is_authenticated and bearer(Scope.LOOKUP_READ) is None


def _storage(broker: str) -> str:
    return broker.replace("unix://", "redis+unix://", 1)


def client() -> str:
    """Who is counted: a member, a token, or an address under a keyed digest."""
    if current_user.is_authenticated:
        return f"member:{current_user.get_id()}"
    token = bearer(Scope.LOOKUP_READ)
    if token is not None:
        return f"token:{token.name}"
    return "address:" + hmac.new(site().secrets.addresses, network(request.remote_addr).encode(), hashlib.sha256).hexdigest()[:32]


def _rate() -> str:
    config = site().config
    if is_stranger():
        return config.lookups_of_strangers
    return config.lookups_of_members if current_user.is_authenticated else config.lookups_of_tokens
