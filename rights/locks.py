"""Who may change exclusion entries at the two moments of a publication: nobody.

A publication locks twice, and briefly. It reads what waits by several questions, and no entry may come or go between these, for a version
must not hold half of a request. And it puts a version into effect: then, too, nothing may come or go until that is committed. While the
version is prepared in between, nothing is locked: entries come and go, and are the next version's.

On SQLite a writing transaction is alone anyway. On PostgreSQL both sides lock the table *before any opt-out or entry*, in modes that
exclude each other; that order keeps them from waiting for each other in a circle. A job has locked its row of the outbox before. That
closes no circle, for nobody who locked the table waits for a row of the outbox: one that is locked is passed over.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session


def lock_entries_alone(session: Session) -> None:
    """For a publication: waits until no other transaction is changing entries, and lets none begin."""
    _lock(session, "EXCLUSIVE")


def lock_entries_shared(session: Session) -> None:
    """For whoever adds or ends entries: others may do so too, a publication waits."""
    _lock(session, "ROW EXCLUSIVE")


def lock_platform_events(session: Session) -> None:
    """For whoever takes in a platform's event: one at a time, since a later event about the same photo overtakes an earlier one."""
    _lock(session, "SHARE ROW EXCLUSIVE", "platform_event")


def _lock(session: Session, mode: str, table: str = "exclusion_entry") -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"LOCK TABLE {table} IN {mode} MODE"))
