"""What the web part logs: events without personal data. An address may hold a photo's uid, so endpoints are named instead."""

import time
from types import TracebackType
from typing import Any

import structlog
from flask import Flask, Response, g, request

logger = structlog.get_logger("portal")

_QUIET = frozenset({"static", "pages.healthz", "progress.fragment", "photos.thumbnail"})


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
