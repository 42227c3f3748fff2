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


def _lock(session: Session, mode: str) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"LOCK TABLE exclusion_entry IN {mode} MODE"))
