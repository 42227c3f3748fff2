"""What a member has ticked and not done anything with yet: it survives pages, filters and sign-ins, for a day.

It is kept by account, so that it needs no script and no session; a page sends what it showed and which of it is ticked.
"""

import hashlib
from collections.abc import Collection, Set
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from demur.errors import DemurError
from models import Account, TickedPhotos

LIFETIME = timedelta(days=1)
MOST = 100_000  # photos ticked at once, some 2 MB; whoever has more opts out everything, now and later


class TooManyTicked(DemurError):
    """More than ``MOST`` photos."""


def ticked(session: Session, account: Account, now: datetime) -> frozenset[str]:
    """The uids that are ticked. Each was the member's own when it was ticked."""
    kept = session.get(TickedPhotos, account.id)
    return frozenset(kept.uids) if kept is not None and now - kept.ticked_at < LIFETIME else frozenset()


def tick(session: Session, account: Account, uids: Collection[str], now: datetime) -> None:
    """Keeps these as what is ticked, instead of what was. Raises TooManyTicked."""
    if len(uids) > MOST:
        raise TooManyTicked(f"{len(uids)} photos are more than {MOST}")
    kept = session.get(TickedPhotos, account.id, with_for_update=True)
    if not uids:
        if kept is not None:
            session.delete(kept)
    elif kept is None:
        session.merge(TickedPhotos(account_id=account.id, uids=sorted(uids), ticked_at=now))
    else:
        kept.uids, kept.ticked_at = sorted(uids), now
    session.flush()


def mark(uids: Set[str]) -> str:
    """Short, and the same for the same photos: by it a form says which selection its page showed."""
    return hashlib.sha256("\0".join(sorted(uids)).encode()).hexdigest()[:24]
