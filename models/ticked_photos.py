from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class TickedPhotos(Base):
    """The photos that a member has ticked and not done anything with yet. ``uids``, sorted, are all of their own when they are kept."""

    __tablename__ = "ticked_photos"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    uids: Mapped[list[str]]
    ticked_at: Mapped[datetime]
