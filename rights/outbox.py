"""The outbox: work that a committed change promises.

A row is added in the transaction of the change, leased by the relay, and marked done in the transaction of its effect. Whatever dies
in between, the row stays due, so the effect happens; whoever comes second finds the row done, so it happens once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from models import Outbox

PUBLISH_LIST = "publish_list"
MAIL_RECEIPT = "mail_receipt"
MAIL_ACCOUNT_NOTICE = "mail_account_notice"
MAIL_TAKEN_NOTICE = "mail_taken_notice"
UPDATE_VECTORS = "update_vectors"
PUBLISH_DELAY = timedelta(seconds=1)  # opt-outs of the same moment share a version
SOON = timedelta(seconds=60)  # longer than a lease lasts
MOST_COMPARED = 1000
RETRY_BASE_S = 2
RETRY_LIMIT_S = 300
FARTHEST = timedelta(minutes=10)  # nothing is put off for longer, so a row that is was promised while a clock was ahead
FARTHEST_OF = {MAIL_TAKEN_NOTICE: timedelta(days=1) + FARTHEST}  # but a mail of which there is one a day


def add(session: Session, topic: str, payload: dict[str, Any], now: datetime) -> Outbox:
    """Promises work, due at once."""
    row = Outbox(topic=topic, payload=payload, created_at=now, available_at=now)
    session.add(row)
    session.flush()
    return row


def add_once(session: Session, topic: str, payload: dict[str, Any], now: datetime) -> None:
    """Promises work, unless the very same is promised already and not done. Call it for what does not matter when asked for twice."""
    waiting = session.scalars(select(Outbox.payload).where(Outbox.topic == topic, Outbox.done_at.is_(None)).limit(MOST_COMPARED))
    if payload not in waiting.all():
        add(session, topic, payload, now)


def add_publication(session: Session, now: datetime, *, but: int | None = None) -> None:
    """Promises a publication of the exclusion list, unless one is promised already, and soon.

    One that is under way may have read what waits before this change: as it takes effect it promises another for whatever came since
    (rights.lists.publish). One whose row is locked may be past that, so it does not count. One that is due later, after failures or
    because a clock was ahead when it was promised, comes due with this one. ``but``: the caller's own row.
    """
    promised = _pending(session, PUBLISH_LIST, but=but)
    if promised is None:
        add(session, PUBLISH_LIST, {}, now).available_at = now + PUBLISH_DELAY
    elif promised.available_at > now + SOON:
        promised.available_at = now + PUBLISH_DELAY


def add_turn(
    session: Session,
    topic: str,
    turn: str,
    payload: dict[str, Any],
    now: datetime,
    *,
    but: int | None = None,
    at: datetime | None = None,
) -> None:
    """Promises work whose turn comes after all others that wait; one row of a ``turn`` waits at a time, however much is promised to it.

    A row that is locked belongs to work that may have looked before this change, so it does not count. ``but``: the caller's own row.
    ``at``: not before this, unless it is promised for earlier.
    """
    waiting = _pending(session, topic, turn, but)
    if waiting is None:
        row = add(session, topic, payload, now)
        row.turn, row.available_at = turn, at or now
    else:
        waiting.payload = waiting.payload | payload


def _pending(session: Session, topic: str, turn: str = "", but: int | None = None) -> Outbox | None:
    rows = select(Outbox).where(Outbox.topic == topic, Outbox.turn == turn, Outbox.done_at.is_(None), Outbox.id != (but or 0))
    return session.scalar(rows.order_by(Outbox.available_at).limit(1).with_for_update(skip_locked=True))


def due(session: Session, now: datetime) -> bool:
    """Whether any row is due."""
    return session.scalar(select(Outbox.id).where(Outbox.done_at.is_(None), Outbox.available_at <= now).limit(1)) is not None


def lease(session: Session, topics: Sequence[str], limit: int, now: datetime, until: datetime) -> Sequence[Outbox]:
    """Takes due rows of some topics, oldest first, and keeps them from other relays until ``until``."""
    rows = select(Outbox).where(Outbox.done_at.is_(None), Outbox.available_at <= now, Outbox.topic.in_(topics))
    leased = session.scalars(rows.order_by(Outbox.available_at, Outbox.id).limit(limit).with_for_update(skip_locked=True)).all()
    for row in leased:
        row.available_at = until
    session.flush()
    return leased


def spare(session: Session, until: datetime, now: datetime) -> None:
    """Lets every lease that has run out last until then: nobody could write, so no worker could give a sign of life."""
    run_out = (Outbox.done_at.is_(None), Outbox.attempts > 0, Outbox.available_at <= now)
    session.execute(update(Outbox).where(*run_out).values(available_at=until))


def recall(session: Session, lease: timedelta, now: datetime) -> int:
    """Brings rows nearer that a clock put far ahead, and returns how many: those never handed out now, others after a lease, so that a
    worker that has one can give a sign of life."""
    farthest = case({topic: now + delay for topic, delay in FARTHEST_OF.items()}, value=Outbox.topic, else_=now + FARTHEST)
    far = update(Outbox).where(Outbox.done_at.is_(None), Outbox.available_at > farthest)
    nearer = far.values(available_at=case((Outbox.attempts == 0, now), else_=now + lease))
    return len(session.execute(nearer.returning(Outbox.id)).all())


def extend(session: Session, outbox_id: int, attempt: int, until: datetime) -> bool:
    """A worker's sign of life. False when the row is done, or was handed to somebody else since."""
    mine = update(Outbox).where(Outbox.id == outbox_id, Outbox.attempts == attempt, Outbox.done_at.is_(None))
    extended = session.execute(mine.values(available_at=until).returning(Outbox.id))
    return extended.first() is not None


def locked(session: Session, outbox_id: int) -> Outbox | None:
    """The row, locked; None when it is done, or never was."""
    return session.scalar(select(Outbox).where(Outbox.id == outbox_id, Outbox.done_at.is_(None)).with_for_update())


def done(row: Outbox, now: datetime) -> None:
    """Marks a locked row done; commits together with the effect."""
    row.done_at = now
    row.last_error = ""


def failed(session: Session, outbox_id: int, attempt: int, error: str, now: datetime) -> None:
    """Remembers the error's class (its words may be personal), and lets the row come due again, later after each failure."""
    delay = timedelta(seconds=min(RETRY_BASE_S * 2**attempt, RETRY_LIMIT_S))
    mine = update(Outbox).where(Outbox.id == outbox_id, Outbox.attempts == attempt, Outbox.done_at.is_(None))
    session.execute(mine.values(available_at=now + delay, last_error=error))
