"""What changes in the exclusion list with its next version. Only that comes from the database, however many entries stand.

A version is prepared outside of any lock, from what the database had at one moment (``pending``), and takes effect for exactly that. What
comes meanwhile is the next version's: an entry that was taken back after that moment is in this version, and out of the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, literal, select, update
from sqlalchemy.orm import Session, aliased

from demur.exclusions import Entry, EntryTable, KeyKind
from demur.exclusions.delta import Delta
from models import ExclusionEntry, ExclusionListVersion, Exemption, OptOut
from rights import log
from rights.batches import batched
from rights.list_versions import newest_version
from rights.listed import keep_spans
from rights.locks import lock_entries_alone

Key = tuple[str, str, str]  # kind, key, pdq

_entry, _opt_out = ExclusionEntry, OptOut
_COMING = and_(_entry.since_version.is_(None), _entry.until_version.is_(None), _entry.ended.is_(False))
_ENDED = and_(_entry.since_version.is_not(None), _entry.until_version.is_(None), _entry.ended.is_(True))
_WAITING = and_(_opt_out.withdrawn_at.is_(None), _opt_out.effective_version.is_(None), _opt_out.named_at.is_not(None))
_WITHDRAWN = and_(_opt_out.withdrawn_at.is_not(None), _opt_out.effective_version.is_not(None), _opt_out.ended_version.is_(None))


@dataclass(frozen=True)
class Pending:
    """What waits for the version after ``newest``, at one moment: keys, and the ids of the rows that it then takes effect for.

    ``leaf_index``: the leaf of the log that the version gets.
    """

    newest: ExclusionListVersion | None
    leaf_index: int
    coming: tuple[Key, ...]
    going: tuple[Key, ...]
    entries_in: tuple[int, ...]
    entries_out: tuple[int, ...]
    opt_outs_in: tuple[int, ...]
    opt_outs_out: tuple[int, ...]
    exemptions: tuple[int, ...]

    def delta(self, listed: EntryTable) -> Delta:
        """What leads from the newest version's entries to those that at least one opt-out stands behind."""
        coming, going = _table(self.coming), _table(self.going)
        return Delta.adding(coming.where(~listed.places(coming)[1])).merged(Delta.removing(going))


def pending(session: Session) -> Pending:
    """The session must be one that writes: no entry may change between the questions."""
    lock_entries_alone(session)
    coming = session.execute(select(_entry.id, _entry.kind, _entry.key, _entry.pdq).where(_COMING)).all()
    return Pending(
        newest=newest_version(session),
        leaf_index=log.next_leaf_index(session),
        coming=tuple((row.kind, row.key, row.pdq) for row in coming),
        going=tuple((row.kind, row.key, row.pdq) for row in session.execute(_going())),
        entries_in=tuple(row.id for row in coming),
        entries_out=_ids(session, select(_entry.id).where(_ENDED)),
        opt_outs_in=_ids(session, select(_opt_out.id).where(_WAITING)),
        opt_outs_out=_ids(session, select(_opt_out.id).where(_WITHDRAWN)),
        exemptions=_ids(session, select(Exemption.id).where(_exempted())),
    )


def came_since(session: Session, seen: Pending) -> bool:
    """Whether something waits for a version that did not wait when this was read."""
    waiting = (
        (select(_entry.id).where(_COMING), seen.entries_in),
        (select(_entry.id).where(_ENDED), seen.entries_out),
        (select(_opt_out.id).where(_WAITING), seen.opt_outs_in),
        (select(_opt_out.id).where(_WITHDRAWN), seen.opt_outs_out),
        (select(Exemption.id).where(_exempted()), seen.exemptions),
    )
    return any(set(session.scalars(rows)) - set(known) for rows, known in waiting)


def names_more() -> ColumnElement[bool]:
    """Condition: the opt-out names entries that are in no version yet."""
    return exists().where(_entry.opt_out_id == _opt_out.id, _COMING)


def mark_in(session: Session, seen: Pending, version: int) -> None:
    """What was coming is in the list from ``version`` on, also what was ended since: the next version is without it."""
    _update(session, _entry, seen.entries_in, {"since_version": version}, _entry.since_version.is_(None))
    _update(session, _opt_out, seen.opt_outs_in, {"effective_version": version}, _opt_out.effective_version.is_(None))


def mark_out(session: Session, seen: Pending, version: int) -> None:
    """What was ended is out of the list from ``version`` on, as far as its own opt-out goes; what was revived since comes again."""
    _update(session, _entry, seen.entries_out, {"until_version": version}, _ENDED)
    _end_revived(session, seen.entries_out, version)
    _update(session, _opt_out, seen.opt_outs_out, {"ended_version": version}, _opt_out.ended_version.is_(None))
    _update(session, Exemption, seen.exemptions, {"effective_version": version}, Exemption.effective_version.is_(None))


def _end_revived(session: Session, ids: Sequence[int], version: int) -> None:
    """Writes down until when they were in the list: runs obeyed those versions."""
    revived = and_(_entry.ended.is_(False), _entry.until_version.is_(None), _entry.since_version.is_not(None))
    for some in batched(ids):
        keep_spans(session, literal(version), revived, _entry.id.in_(some))
    _update(session, _entry, ids, {"since_version": None}, revived)


def _update(session: Session, table: Any, ids: Sequence[int], values: dict[str, Any], condition: ColumnElement[bool]) -> None:
    for some in batched(ids):
        session.execute(update(table).where(table.id.in_(some), condition).values(values))


def _exempted() -> ColumnElement[bool]:
    carried = exists().where(_opt_out.id == Exemption.opt_out_id, _opt_out.propagated_at.is_not(None))
    return and_(Exemption.effective_version.is_(None), carried)


def _going() -> Select[str, str, str]:
    """Listed on the account of an opt-out that has ended, and on nobody else's."""
    other = aliased(ExclusionEntry)
    same = (other.kind == _entry.kind, other.key == _entry.key, other.pdq == _entry.pdq)
    columns = select(_entry.kind, _entry.key, _entry.pdq).distinct()
    return columns.where(_ENDED, ~exists().where(*same, other.ended.is_(False)))


def _ids(session: Session, rows: Select[int]) -> tuple[int, ...]:
    return tuple(session.scalars(rows))


def _table(keys: Sequence[Key]) -> EntryTable:
    return EntryTable.of(Entry(KeyKind(kind), key, pdq) for kind, key, pdq in keys)
