"""The signed head of a version: everything that a reader needs to judge the version before reading its entries."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from demur.digests import canonical_json, parse_canonical
from demur.errors import DemurError
from demur.exclusions.entries import FileDigest, KeyKind
from demur.fields import count, digest, parse_rfc3339, rfc3339, text
from demur.tlog.merkle import EMPTY_ROOT

PAYLOAD_TYPE = "application/vnd.demur.exclusion-list-head+json"
FORMAT = "demur-exclusion-list/1"
NO_ROOT = EMPTY_ROOT.hex()
MOST_DELTAS = 64  # from a whole file of entries to a version that builds on it
_MOST_VALUES = 1000  # of a head: some thirty, and commas in the list's name
_FIELDS = {
    *("format", "list_id", "version", "previous_version", "previous_root", "root", "total", "counts", "added", "removed"),
    *("published_at", "expires_at", "entries", "delta"),
}


@dataclass(frozen=True)
class WholeFile(FileDigest):
    """A whole file of entries, and the version whose entries they are."""

    version: int


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
    entries: WholeFile  # the newest one up to this version: deltas lead from there to here
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
            "counts": {kind.value: number for kind, number in self.counts.items()},
            "added": self.added,
            "removed": self.removed,
            "published_at": rfc3339(self.published_at),
            "expires_at": rfc3339(self.expires_at),
            "entries": {"version": self.entries.version, "sha256": self.entries.sha256, "size": self.entries.size},
            "delta": {"sha256": self.delta.sha256, "size": self.delta.size},
        }
        if self.log_leaf_index is not None:
            fields["log_leaf_index"] = self.log_leaf_index
        return canonical_json(fields)

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Reads a payload; every field is checked. Raises BadHead, UnknownKind."""
        try:
            fields = parse_canonical(payload, _MOST_VALUES)
            if set(fields) - {"log_leaf_index"} != _FIELDS or fields["format"] != FORMAT:
                raise BadHead(f"the head is not of the format {FORMAT}")
            head = cls(
                list_id=text(fields["list_id"]),
                version=count(fields["version"]),
                previous_version=count(fields["previous_version"]),
                previous_root=digest(fields["previous_root"]),
                root=digest(fields["root"]),
                total=count(fields["total"]),
                counts={_kind(name): count(number) for name, number in fields["counts"].items()},
                added=count(fields["added"]),
                removed=count(fields["removed"]),
                published_at=parse_rfc3339(fields["published_at"]),
                expires_at=parse_rfc3339(fields["expires_at"]),
                entries=WholeFile(**_file(fields["entries"], "version"), version=count(fields["entries"]["version"])),
                delta=FileDigest(**_file(fields["delta"])),
                log_leaf_index=count(fields["log_leaf_index"]) if "log_leaf_index" in fields else None,
            )
        except BadHead:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadHead(f"the head cannot be read: {error}") from error
        if head.version < 1 or head.previous_version != head.version - 1 or head.expires_at <= head.published_at:
            raise BadHead("the head contradicts itself in its versions or dates")
        if not 1 <= head.entries.version <= head.version <= head.entries.version + MOST_DELTAS:
            raise BadHead(f"from version {head.entries.version}, on which the head builds, no deltas lead to it, or too many")
        return head


def _file(told: dict[str, Any], *more: str) -> dict[str, Any]:
    if set(told) != {"sha256", "size", *more}:
        raise ValueError(f"{told!r} does not describe a file")
    return {"sha256": digest(told["sha256"]), "size": count(told["size"])}


def _kind(name: str) -> KeyKind:
    try:
        return KeyKind(name)
    except ValueError as error:
        raise UnknownKind(f"the list has entries of the kind {name!r}, which this version of demur cannot apply") from error
