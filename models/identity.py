from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigId


class Identity(Base):
    """A sign-in at an OpenID provider, keyed by (iss, sub): an e-mail address may pass to someone else, a subject never does."""

    __tablename__ = "identity"
    __table_args__ = (UniqueConstraint("iss", "sub"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    iss: Mapped[str]
    sub: Mapped[str]
    owner: Mapped[str] = mapped_column(index=True)
    linked_at: Mapped[datetime]
