from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigId


class Outbox(Base):
    """Work that a committed change promises.

    Written in the transaction of the change. A relay leases rows and hands their ids to the queue; the job marks the row done in
    the transaction of its effect, so that whatever dies in between, the effect happens, and once.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "available_at", sqlite_where=text("done_at IS NULL"), postgresql_where=text("done_at IS NULL")),
        Index("ix_outbox_turn", "topic", "turn", sqlite_where=text("done_at IS NULL"), postgresql_where=text("done_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    topic: Mapped[str]
    turn: Mapped[str] = mapped_column(default="")  # whose turn it is: work of one topic and turn waits in one row
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    available_at: Mapped[datetime]  # not before this; pushed forward by a lease or a failure
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(default="")  # its class, without its words
    done_at: Mapped[datetime | None]
