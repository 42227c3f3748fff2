"""Who may change exclusion entries while a version is being published: nobody.

A publication reads every standing entry and then says of each since when it is in effect, so no entry may come or go in between.
On SQLite a writing transaction is alone anyway. On PostgreSQL both sides lock the table *before any other row*, in modes that
exclude each other; that order keeps them from waiting for each other in a circle.
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
