"""One transaction per HTTP request, opened by the first query and committed before the response leaves.

GET and HEAD only read; everything else writes. The exceptions are the two tables below. A response of 400 or above rolls back.
"""

from flask import Flask, Response, g, request
from sqlalchemy.orm import Session

from portal.site import site

# Computes for seconds and changes nothing: it must not hold SQLite's one write lock meanwhile.
READING_POSTS = frozenset({"lookup.search", "api.look_up", "opt_outs.check", "verify.check", "api_v2.query_urls"})
# The provider sends people back by GET, and that makes an account or links an identity.
WRITING_GETS = frozenset({"auth.callback"})


def db() -> Session:
    """The session of this request's transaction."""
    if "db" not in g:
        g.db = (site().writing if _writes() else site().reading)()
    session: Session = g.db
    return session


def release() -> None:
    """Ends what this request read so far and gives its connection back."""
    if "db" in g:
        g.db.close()


def init_app(app: Flask) -> None:
    app.after_request(_finish)
    app.teardown_appcontext(_close)


def _writes() -> bool:
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return request.endpoint in WRITING_GETS
    return request.endpoint not in READING_POSTS


def _finish(response: Response) -> Response:
    if "db" in g:
        if response.status_code < 400:
            g.db.commit()
        else:
            g.db.rollback()
    return response


def _close(_error: BaseException | None) -> None:
    session: Session | None = g.pop("db", None)
    if session is not None:
        session.close()
