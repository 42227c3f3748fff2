"""How values read on a page: plain, exact, and the same everywhere."""

import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

from flask import Flask
from markupsafe import Markup, escape

from demur.fields import parse_rfc3339
from demur.printing import printable
from demur.verifying.summary import label
from models import FailureReason
from portal.differences import alike, difference
from portal.site import site
from rights.runs import FAILURES
from rights.used import had_to_leave_out

# A time as signed files spell it, where a sentence says when: never a name or an id that is spelled like one.
_WHEN = re.compile(r"\b(?:on|at|until|published) ([1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ\b)", re.ASCII)
REASONS = {  # why a row of a manifest was not taken over, or a sample not trained on
    "unreadable_picture": "the picture could not be read",
    "missing_picture": "the picture was missing",
    "no_uid": "no uid",
    "duplicate_uid": "the same uid twice",
    "wrong_type": "a value of the wrong type",
    "not_public": "not public",
    "download_failed": "the download had failed",
    "uid": "opted out, by uid",
    "sha256": "opted out, the same file",
    "phash": "opted out, a near duplicate",
    "url": "opted out, by address",
    "owner": "opted out, everything of its owner",
}


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(
        alike=alike,
        difference=difference,
        day=day,
        minute=minute,
        number=number,
        duration=duration,
        failure=failure,
        had_to_leave_out=had_to_leave_out,
        reason=reason,
        short=short,
        timed=timed,
        counted=counted,
        provider=provider,
        absolute=absolute,
        printable=printable,
        finding_label=label,
    )


def day(at: datetime | None) -> Markup:
    """``3 May 2024`` as a time element."""
    return _time(at, f"{at.day} {at:%B %Y}") if at else Markup("")


def minute(at: datetime | None) -> Markup:
    """``3 May 2024, 14:02 UTC`` as a time element."""
    return _time(at, f"{at.day} {at:%B %Y}, {at:%H:%M} UTC", Markup(" data-hour")) if at else Markup("")


def timed(sentence: str) -> Markup:
    """A sentence of a receipt or a proof, with the times of its files as pages write times; static/verify/times.js says the same."""
    parts, end = [], 0
    for found in _WHEN.finditer(sentence):
        parts += [escape(sentence[end : found.start(1)]), _stamped(found[1])]
        end = found.end(1)
    return Markup("").join([*parts, escape(sentence[end:])])


def _stamped(stamp: str) -> Markup | str:
    try:
        return minute(parse_rfc3339(stamp))
    except ValueError:  # a day that no calendar has: as it was written
        return stamp


def _time(at: datetime, text: str, more: str = "") -> Markup:
    """``more``: a mark by which static/local-time.js adds the reader's own hour."""
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return Markup('<time datetime="{}"{}>{}</time>').format(at.isoformat(timespec="seconds"), more, text)


def number(value: int) -> str:
    """``1,099,412,086``."""
    return f"{value:,}"


def counted(value: int, one: str, many: str | None = None) -> str:
    """``1 photo``, ``1,284 photos``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """``about 40 seconds``, ``about 3 minutes``."""
    if seconds < 90:
        return f"about {counted(max(1, round(seconds)), 'second')}"
    if seconds < 5400:
        return f"about {counted(round(seconds / 60), 'minute')}"
    return f"about {counted(round(seconds / 3600), 'hour')}"


def failure(reason: FailureReason | None) -> str:
    return FAILURES[reason or FailureReason.FAILED]


def reason(key: str) -> str:
    return REASONS.get(key, key.replace("_", " "))


def short(digest: str | None, shown: int = 16) -> Markup:
    """The beginning of a digest, with the whole of it on hovering."""
    return Markup('<code title="{}">{}…</code>').format(digest, escape((digest or "")[:shown])) if digest else Markup("")


def provider(iss: str) -> str:
    """Who runs the sign-in, as people know it: the operator's name, or the host of another one."""
    config = site().config
    return config.operator_name if iss.rstrip("/") == config.oidc_issuer.rstrip("/") else urlsplit(iss).netloc or iss


def absolute(path: str) -> str:
    """An address as others write it, after the configured origin: never after the Host header a request claims. ``path`` is the whole path,
    as ``url_for`` gives it."""
    return site().address.origin + path
