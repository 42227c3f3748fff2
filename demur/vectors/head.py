"""The signed head of a manifest's deletion vectors: of which rows of which manifest they speak, and by which version of which list."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from demur.digests import canonical_json
from demur.errors import DemurError
from demur.exclusions.entries import FileDigest
from demur.fields import count, digest, fields, parse_rfc3339, rfc3339, text
from demur.runs import ManifestReference

PAYLOAD_TYPE = "application/vnd.demur.deletion-vectors-head+json"
FORMAT = "demur-deletion-vectors/1"


class BadVectorsHead(DemurError, ValueError):
    """The payload is not a head of this format."""


@dataclass(frozen=True)
class ListVersion:
    """The version of the exclusion list that the vectors were derived from. The root is 64 hex digits; the time is UTC, whole seconds."""

    list_id: str
    version: int
    root: str
    expires_at: datetime


@dataclass(frozen=True)
class VectorsHead:
    """Binds the two files of a manifest's vectors together. `deleted` counts the places that are deleted in all shards."""

    manifest: ManifestReference
    list: ListVersion
    deleted: int
    shards: FileDigest
    deletions: FileDigest

    def payload(self) -> bytes:
        """The canonical JSON that is signed."""
        manifest, used = self.manifest, self.list
        return canonical_json(
            {
                "format": FORMAT,
                "manifest": {"name": manifest.name, "digest": manifest.digest, "rows": manifest.rows},
                "list": {
                    "list_id": used.list_id,
                    "version": used.version,
                    "root": used.root,
                    "expires_at": rfc3339(used.expires_at),
                },
                "deleted": self.deleted,
                "shards": {"sha256": self.shards.sha256, "size": self.shards.size},
                "deletions": {"sha256": self.deletions.sha256, "size": self.deletions.size},
            }
        )

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Reads a payload. Raises BadVectorsHead, also for a field too many or another spelling of the same."""
        try:
            told = fields(json.loads(payload))
            head = cls(_manifest(told), _list(told), count(told["deleted"]), _file(told, "shards"), _file(told, "deletions"))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise BadVectorsHead(f"the head cannot be read: {error}") from error
        if head.payload() != payload:
            raise BadVectorsHead(f"the head is not of the format {FORMAT}")
        return head


def _manifest(told: dict[str, Any]) -> ManifestReference:
    of = fields(told["manifest"])
    return ManifestReference(text(of["name"]), digest(of["digest"]), count(of["rows"]))


def _list(told: dict[str, Any]) -> ListVersion:
    of = fields(told["list"])
    return ListVersion(text(of["list_id"]), count(of["version"]), digest(of["root"]), parse_rfc3339(of["expires_at"]))


def _file(told: dict[str, Any], name: str) -> FileDigest:
    of = fields(told[name])
    return FileDigest(digest(of["sha256"]), count(of["size"]))
