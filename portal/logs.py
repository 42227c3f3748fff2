"""What the web part logs: events without personal data. An address may hold a photo's uid, so endpoints are named instead."""

import sys
import time
from types import TracebackType
from typing import Any

import structlog
from flask import Flask, Response, g, request
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import ExceptionRenderer, JSONRenderer, TimeStamper, add_log_level
from structlog.tracebacks import ExceptionDictTransformer

logger = structlog.get_logger("portal")

_QUIET = frozenset({"static", "pages.healthz", "progress.fragment", "photos.thumbnail"})


def configure() -> None:
    """Logs go to stderr, a JSON object a line unless a person watches. Whoever configured structlog before is left alone."""
    if structlog.is_configured():
        return
    # Tracebacks without local variables: those would hold captions, uids and form fields.
    to_a_person = [ConsoleRenderer(exception_formatter=plain_traceback)]
    to_a_file = [ExceptionRenderer(ExceptionDictTransformer(show_locals=False)), JSONRenderer()]
    structlog.configure(
        processors=[add_log_level, TimeStamper(fmt="iso", utc=True), *(to_a_person if sys.stderr.isatty() else to_a_file)],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


class PortalLogging(Flask):
    """Flask logs the path of a request that failed; here it is the endpoint."""

    def log_exception(
        self, exc_info: tuple[type, BaseException, TracebackType | None] | tuple[None, None, None] | BaseException | None
    ) -> None:
        logger.error("fault", endpoint=request.endpoint, method=request.method, exc_info=exc_info)


def log_requests(app: Flask) -> None:
    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        if request.endpoint not in _QUIET or response.status_code >= 500:
            facts: dict[str, Any] = {"endpoint": request.endpoint, "method": request.method, "status": response.status_code}
            logger.info("request", **facts, ms=round((time.perf_counter() - g.get("started", time.perf_counter())) * 1000))
        return response
