"""What the operator states, one leaf of the transparency log each (docs/formats/receipt.md). Pure.

A statement may be personal. The log holds only a salted commitment to it: without the salt nobody can guess what it says, and with salt
and statement anybody can recompute it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from demur.digests import canonical_json, parse_json
from demur.errors import DemurError
from demur.exclusions.head import Head
from demur.fields import digest, fields, parse_rfc3339, rfc3339, text
from demur.runs.record import ListReference, RunRecord

PAYLOAD_TYPE = "application/vnd.demur.statement+json"
FORMAT = "demur-statement/1"
SALT_BYTES = 32
_DOMAIN = b"demur/leaf/1\0"


class BadStatement(DemurError, ValueError):
    """The payload is not a statement of a known format and kind."""


class LogKind(StrEnum):
    """What a leaf of the transparency log commits to."""

    OPT_OUT_FILED = "opt_out_filed"
    OPT_OUT_LISTED = "opt_out_listed"  # in the exclusion list from a version on
    OPT_OUT_WITHDRAWN = "opt_out_withdrawn"
    OPT_OUT_DENIED = "opt_out_denied"  # ended by the operator, or by the platform
    OPT_OUT_HELD = "opt_out_held"  # takes nothing of others out until a person has looked
    OPT_OUT_RELEASED = "opt_out_released"  # a person let it take copies out that others had posted
    OPT_OUT_LIMITED = "opt_out_limited"  # a person decided that it leaves such copies in
    PHOTO_CONTESTED = "photo_contested"  # its owner objected to somebody else's opt-out that took it out
    CONTEST_ACCEPTED = "contest_accepted"
    CONTEST_REFUSED = "contest_refused"
    LIST_PUBLISHED = "list_published"
    RUN_RECORDED = "run_recorded"


OPT_OUT_KINDS = frozenset(
    {
        LogKind.OPT_OUT_FILED,
        LogKind.OPT_OUT_LISTED,
        LogKind.OPT_OUT_WITHDRAWN,
        LogKind.OPT_OUT_DENIED,
        LogKind.OPT_OUT_HELD,
        LogKind.OPT_OUT_RELEASED,
        LogKind.OPT_OUT_LIMITED,
    }
)
CONTEST_KINDS = frozenset({LogKind.PHOTO_CONTESTED, LogKind.CONTEST_ACCEPTED, LogKind.CONTEST_REFUSED})
"""About a photo that somebody else's opt-out took out. Such a statement is its owner's, and does not say whose opt-out it was."""


def commitment(salt: bytes, statement: bytes) -> bytes:
    """The leaf of a statement: SHA-256("demur/leaf/1" ‖ 0 ‖ salt ‖ statement), 32 bytes."""
    return hashlib.sha256(_DOMAIN + salt + statement).digest()


@dataclass(frozen=True)
class Statement:
    """``at``: when it happened, UTC in whole seconds. Fields that the kind has no use for are empty.

    Of an opt-out: ``reference`` of the request, and what it is about: ``photos`` by uid, ``pictures`` by SHA-256, ``owners`` all of whose
    photos it is. Of a contest: ``photos`` alone. Of a list's version and of an opt-out in it: ``exclusion_list``. Of a run: its id and
    name, the digest of its signed record, and the list that it obeyed, if any.
    """

    kind: LogKind
    at: datetime
    reference: str = ""
    photos: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    exclusion_list: ListReference | None = None
    run_id: str = ""
    run_name: str = ""
    record_digest: str = ""

    def payload(self) -> bytes:
        """The canonical JSON that is committed to and signed."""
        found = self.exclusion_list.to_fields() if self.exclusion_list else None
        told: dict[str, Any] = {"format": FORMAT, "kind": self.kind.value, "at": rfc3339(self.at)}
        if self.kind in OPT_OUT_KINDS:
            told |= {"reference": self.reference, "photos": self.photos, "pictures": self.pictures, "owners": self.owners}
        if self.kind in CONTEST_KINDS:
            told |= {"photos": self.photos}
        if self.kind is LogKind.RUN_RECORDED:
            told |= {"run_id": self.run_id, "run_name": self.run_name, "record_digest": self.record_digest}
        if self.kind in _WITH_LIST:
            told["list"] = found
        return canonical_json(told)

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Reads a payload; every field is checked, and none is left over. Raises BadStatement."""
        try:
            statement = cls._read(fields(parse_json(payload)))
        except (ValueError, TypeError, KeyError) as error:
            raise BadStatement(f"the statement cannot be read: {error}") from error
        if statement.payload() != payload:  # also where it is not canonical
            raise BadStatement(f"the statement is not of the format {FORMAT}")
        return statement

    @classmethod
    def _read(cls, told: dict[str, Any]) -> Self:
        kind = LogKind(told["kind"])
        about_run, about_opt_out = kind is LogKind.RUN_RECORDED, kind in OPT_OUT_KINDS
        found = told["list"] if kind in _WITH_LIST else None
        if found is None and kind in _WITH_LIST and not about_run:
            raise ValueError("it names no version of the exclusion list")
        return cls(
            kind=kind,
            at=parse_rfc3339(told["at"]),
            reference=text(told["reference"]) if about_opt_out else "",
            photos=_texts(told["photos"]) if about_opt_out or kind in CONTEST_KINDS else (),
            pictures=tuple(map(digest, _texts(told["pictures"]))) if about_opt_out else (),
            owners=_texts(told["owners"]) if about_opt_out else (),
            exclusion_list=ListReference.from_fields(fields(found)) if found is not None else None,
            run_id=text(told["run_id"]) if about_run else "",
            run_name=text(told["run_name"]) if about_run else "",
            record_digest=digest(told["record_digest"]) if about_run else "",
        )


_WITH_LIST = frozenset({LogKind.OPT_OUT_LISTED, LogKind.LIST_PUBLISHED, LogKind.RUN_RECORDED})


def list_published(head: Head) -> Statement:
    """A version of the exclusion list was published."""
    return Statement(LogKind.LIST_PUBLISHED, head.published_at, exclusion_list=ListReference.of(head))


def run_recorded(record: RunRecord, record_digest: str, at: datetime) -> Statement:
    """A verified run record was taken in. ``record_digest``: SHA-256 of its envelope, 64 hex digits."""
    return Statement(
        LogKind.RUN_RECORDED,
        at,
        exclusion_list=record.exclusion_list,
        run_id=record.run_id,
        run_name=record.name,
        record_digest=record_digest,
    )


def _texts(value: Sequence[Any]) -> tuple[str, ...]:
    """Texts in ascending order, each once. Raises ValueError."""
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list")
    found = tuple(text(item) for item in value)
    if list(found) != sorted(set(found)):
        raise ValueError("a list is not in order, each item once")
    return found
