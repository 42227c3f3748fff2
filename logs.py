"""How the web part and the jobs log: events without personal data, a JSON object a line, unless a person watches.

An error's own words may hold a uid, an address or a row of the database, so a fault is logged as its class and the lines of code that it
passed through, without its words and without local variables. Other people's log lines are logged as their pattern, without what fills it.
"""

import json
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, cast

import structlog
from structlog.dev import ConsoleRenderer
from structlog.processors import JSONRenderer, TimeStamper, add_log_level

ROOT = Path(__file__).parent
OURS = ("jobs", "portal", "rights", "supervisor")
LONGEST_PATTERN = 300
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure() -> None:
    """Whoever configured structlog before is left alone."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[add_log_level, TimeStamper(fmt="iso", utc=True), _fault, ConsoleRenderer() if sys.stderr.isatty() else JSONRenderer()],
        logger_factory=lambda *_: structlog.PrintLogger(cast(TextIO, _Forgiving())),
    )


def configure_libraries() -> None:
    """The same for Python's own ``logging``, by which jobs and libraries log, and for warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    warnings.showwarning = _warned


def _warned(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
    logging.getLogger("warnings").warning(f"{category.__name__} at {_place(filename)}:{lineno}")


def log_what_nobody_catches() -> None:
    """From now on, what ends this process or one of its threads is logged as any fault. Call it once the settings are read: what is wrong
    with those is said in words."""
    sys.excepthook = lambda _, error, __: _uncaught(error)
    threading.excepthook = lambda told: _uncaught(told.exc_value)
    sys.unraisablehook = lambda told: _uncaught(told.exc_value)


def _uncaught(error: BaseException | None) -> None:
    logging.getLogger("uncaught").critical("uncaught", exc_info=error)


class _Forgiving:
    """Standard error, where a line that cannot be written is lost: a full disk must not fail the work that is logged."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def fault_of(error: BaseException) -> list[str]:
    """An error and what caused it, the last first: their classes, and where in the code they were."""
    return [line for one in _chain(error) for line in (_name(one), *_frames(one.__traceback__))]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _frames(trace: TracebackType | None) -> Iterator[str]:
    for frame in traceback.extract_tb(trace):
        yield f"  {_place(frame.filename)}:{frame.lineno} {frame.name}"


def _place(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def _fault(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["fault"] = fault_of(error)
    return event


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        is_ours = record.name.partition(".")[0] in OURS
        line: dict[str, Any] = {
            "event": record.getMessage() if is_ours else str(record.msg)[:LONGEST_PATTERN],
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        }
        if record.exc_info and record.exc_info[1]:
            line["fault"] = fault_of(record.exc_info[1])
        return json.dumps(line)
