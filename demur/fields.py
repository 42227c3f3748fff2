"""Strict readers for the fields of signed JSON: the right type and form, or a ValueError that says what was found instead."""

from datetime import UTC, datetime
from typing import Any

_HEX = frozenset("0123456789abcdef")


def rfc3339(moment: datetime) -> str:
    """A UTC time as `2026-11-21T12:00:00Z`; fractions of a second are dropped. Raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a time needs a time zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(value: str) -> datetime:
    """Reads what `rfc3339` writes, and nothing else. Raises ValueError, TypeError."""
    moment = datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    if rfc3339(moment) != value:
        raise ValueError(f"{value!r} is not a UTC time in whole seconds")
    return moment


def text(value: object) -> str:
    """Text that is not empty and can be written down: without a lone surrogate. Raises ValueError."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not text")
    value.encode()
    return value


def count(value: object) -> int:
    """A whole number that every JSON reader can hold: 0 to 2**53 - 1. Raises ValueError."""
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(f"{value!r} is not a count")
    return value


def digest(value: object) -> str:
    """A SHA-256 digest as 64 lowercase hex digits. Raises ValueError."""
    if len(text(value)) != 64 or not set(text(value)) <= _HEX:
        raise ValueError(f"{value!r} is not a SHA-256 digest")
    return text(value)


def items(value: object) -> list[dict[str, Any]]:
    """A list of objects. Raises ValueError."""
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list")
    return [fields(item) for item in value]


def fields(value: object) -> dict[str, Any]:
    """An object. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not an object")
    return value
