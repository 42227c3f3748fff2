"""In which versions of the exclusion list photos were named, by their uid or by their owner.

What ended since is among them: the past is not judged by what is in force today.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, insert, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from demur.exclusions import KeyKind
from models import ExclusionEntry, OptOut, PastEntry
from rights.batches import batched
from rights.propagation_plan import can_be_kept
from rights.used import Span, Spans

TABLES = (ExclusionEntry, PastEntry)
KINDS = (KeyKind.OWNER, KeyKind.UID)  # those that name somebody's photos
Table = type[ExclusionEntry] | type[PastEntry]


@dataclass(frozen=True)
class Listed:
    """Spans of versions by kind and key."""

    by_key: dict[tuple[str, str], list[Span]] = field(default_factory=lambda: defaultdict(list))

    def of(self, owner: str, uid: str) -> Spans:
        """The versions that named a photo of this owner."""
        return (*self.by_key.get((KeyKind.UID, uid), ()), *self.by_key.get((KeyKind.OWNER, owner), ()))


def keep_spans(session: Session, until: ColumnElement[int] | InstrumentedAttribute[int | None], *where: ColumnElement[bool]) -> None:
    """Writes down in which versions entries were that are named again next, and then forget it; ``until``: the first version without."""
    entry, past = ExclusionEntry, PastEntry
    columns = [past.opt_out_id, past.kind, past.key, past.since_version, past.until_version]
    spans = select(entry.opt_out_id, entry.kind, entry.key, entry.since_version, until)
    asked_for = (entry.kind.in_(KINDS), entry.since_version.is_not(None))
    session.execute(insert(past).from_select(columns, spans.where(*asked_for, *where)))


def listed(session: Session, owners: Iterable[str], uids: Iterable[str]) -> Listed:
    """Of these photos and owners, on whosesoever account."""
    found = Listed()
    for kind, keys in zip(KINDS, (owners, uids), strict=True):
        for some in batched(sorted(key for key in set(keys) if can_be_kept(key))):
            for table in TABLES:
                _add(session, found, table, and_(table.kind == kind, table.key.in_(some)))
    return found


def listed_by_request(session: Session, request_id: int) -> Listed:
    """On the account of one request."""
    found = Listed()
    for table in TABLES:
        of_request = table.opt_out_id.in_(select(OptOut.id).where(OptOut.request_id == request_id))
        _add(session, found, table, and_(table.kind.in_(KINDS), of_request))
    return found


def listed_by_opt_out(session: Session, owner: str, uid: str) -> dict[int, Spans]:
    """Of one photo: by id of each opt-out that names it, or did."""
    found: dict[int, Spans] = {}
    for opt_out_id, span in _of_photo(session, owner, uid):
        found[opt_out_id] = (*found.get(opt_out_id, ()), span)
    return found


def _of_photo(session: Session, owner: str, uid: str) -> Iterator[tuple[int, Span]]:
    for table in TABLES:
        of_owner = and_(table.kind == KeyKind.OWNER, table.key == owner)
        named = or_(of_owner, and_(table.kind == KeyKind.UID, table.key == uid)) if can_be_kept(uid) else of_owner
        spans = select(table.opt_out_id, table.since_version, table.until_version).where(named)
        for opt_out_id, since, until in session.execute(spans):
            if since is not None:
                yield opt_out_id, Span(since, until)


def _add(session: Session, found: Listed, table: Table, where: ColumnElement[bool]) -> None:
    spans = select(table.kind, table.key, table.since_version, table.until_version).where(where)
    for kind, key, since, until in session.execute(spans):
        if since is not None:
            found.by_key[kind, key].append(Span(since, until))
