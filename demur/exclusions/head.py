"""The signed head of a version: everything that a reader needs to judge the version before reading its entries."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from demur.digests import canonical_json
from demur.errors import DemurError
from demur.exclusions.entries import FileDigest, KeyKind
from demur.tlog.merkle import EMPTY_ROOT

PAYLOAD_TYPE = "application/vnd.demur.exclusion-list-head+json"
FORMAT = "demur-exclusion-list/1"
NO_ROOT = EMPTY_ROOT.hex()
_FIELDS = {
    *("format", "list_id", "version", "previous_version", "previous_root", "root", "total", "counts", "added", "removed"),
    *("published_at", "expires_at", "entries", "delta"),
}


class BadHead(DemurError, ValueError):
    """The payload is not a head of a known format."""


class UnknownKind(BadHead):
    """The head counts entries of a kind that this program does not know."""


@dataclass(frozen=True)
class Head:
    """Describes one version. Roots are 64 hex digits; times are UTC in whole seconds; version 1 follows version 0, the empty list."""

    list_id: str
    version: int
    previous_version: int
    previous_root: str
    root: str
    total: int
    added: int
    removed: int
    published_at: datetime
    expires_at: datetime
    entries: FileDigest
    delta: FileDigest
    counts: dict[KeyKind, int] = field(default_factory=dict)
    log_leaf_index: int | None = None

    def payload(self) -> bytes:
        """The canonical JSON that is signed."""
        fields: dict[str, Any] = {
            "format": FORMAT,
            "list_id": self.list_id,
            "version": self.version,
            "previous_version": self.previous_version,
            "previous_root": self.previous_root,
            "root": self.root,
            "total": self.total,
            "counts": {kind.value: count for kind, count in self.counts.items()},
            "added": self.added,
            "removed": self.removed,
            "published_at": rfc3339(self.published_at),
            "expires_at": rfc3339(self.expires_at),
            "entries": {"sha256": self.entries.sha256, "size": self.entries.size},
            "delta": {"sha256": self.delta.sha256, "size": self.delta.size},
        }
        if self.log_leaf_index is not None:
            fields["log_leaf_index"] = self.log_leaf_index
        return canonical_json(fields)

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Reads a payload; every field is checked. Raises BadHead, UnknownKind."""
        try:
            fields = json.loads(payload)
            if set(fields) - {"log_leaf_index"} != _FIELDS or fields["format"] != FORMAT or canonical_json(fields) != payload:
                raise BadHead(f"the head is not of the format {FORMAT}")
            head = cls(
                list_id=_text(fields["list_id"]),
                version=_count(fields["version"]),
                previous_version=_count(fields["previous_version"]),
                previous_root=_digest(fields["previous_root"]),
                root=_digest(fields["root"]),
                total=_count(fields["total"]),
                counts={_kind(name): _count(count) for name, count in fields["counts"].items()},
                added=_count(fields["added"]),
                removed=_count(fields["removed"]),
                published_at=parse_rfc3339(fields["published_at"]),
                expires_at=parse_rfc3339(fields["expires_at"]),
                entries=FileDigest(_digest(fields["entries"]["sha256"]), _count(fields["entries"]["size"])),
                delta=FileDigest(_digest(fields["delta"]["sha256"]), _count(fields["delta"]["size"])),
                log_leaf_index=_count(fields["log_leaf_index"]) if "log_leaf_index" in fields else None,
            )
        except BadHead:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BadHead(f"the head cannot be read: {error}") from error
        if head.version < 1 or head.previous_version != head.version - 1 or head.expires_at <= head.published_at:
            raise BadHead("the head contradicts itself in its versions or dates")
        return head


def rfc3339(moment: datetime) -> str:
    """A UTC time as `2026-11-21T12:00:00Z`; fractions of a second are dropped. Raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a time needs a time zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text: str) -> datetime:
    """Reads what `rfc3339` writes, and nothing else. Raises ValueError."""
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    if rfc3339(moment) != text:
        raise ValueError(f"{text!r} is not a UTC time in whole seconds")
    return moment


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not text")
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(f"{value!r} is not a count")
    return value


def _digest(value: object) -> str:
    text = _text(value)
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise ValueError(f"{text!r} is not a SHA-256 digest")
    return text


def _kind(name: str) -> KeyKind:
    try:
        return KeyKind(name)
    except ValueError as error:
        raise UnknownKind(f"the list has entries of the kind {name!r}, which this version of demur cannot apply") from error
