from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigId


class PlatformEvent(Base):
    """An event that the platform sent, remembered by its id so that a replay changes nothing."""

    __tablename__ = "platform_event"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    owner: Mapped[str]
    uid: Mapped[str] = mapped_column(default="")
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
