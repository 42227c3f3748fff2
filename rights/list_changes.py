"""What changes in the exclusion list with its next version. Only that comes from the database, however many entries stand."""

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session, aliased

from demur.exclusions import Entry, EntryTable, KeyKind
from demur.exclusions.delta import Delta
from models import ExclusionEntry


def changes(session: Session, listed: EntryTable) -> Delta:
    """What leads from the newest version's entries to those that at least one opt-out stands behind."""
    coming, going = _entries(session, _coming()), _entries(session, _going())
    return Delta.adding(coming.where(~listed.places(coming)[1])).merged(Delta.removing(going))


def _coming() -> Select[str, str, str]:
    """Not listed on anybody's account yet; on somebody else's they may be."""
    entry = ExclusionEntry
    columns = select(entry.kind, entry.key, entry.pdq).distinct()
    return columns.where(entry.since_version.is_(None), entry.until_version.is_(None), entry.ended.is_(False))


def _going() -> Select[str, str, str]:
    """Listed on the account of an opt-out that has ended, and on nobody else's."""
    entry, other = ExclusionEntry, aliased(ExclusionEntry)
    same = (other.kind == entry.kind, other.key == entry.key, other.pdq == entry.pdq)
    columns = select(entry.kind, entry.key, entry.pdq).distinct()
    ended = columns.where(entry.since_version.is_not(None), entry.until_version.is_(None), entry.ended.is_(True))
    return ended.where(~exists().where(*same, other.ended.is_(False)))


def _entries(session: Session, rows: Select[str, str, str]) -> EntryTable:
    return EntryTable.of(Entry(KeyKind(kind), key, pdq) for kind, key, pdq in session.execute(rows))
