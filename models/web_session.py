from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class WebSession(Base):
    """A browser's session, kept on the server. The cookie holds a random id, this table only its digest.

    A signed-in session names its account and the sign-in that began it: ``iss`` and ``sub`` of the ID token, and ``sid``, the session at
    the provider, where it names one. ``sealed`` is the ID token, encrypted by a key that only the cookie has.
    """

    __tablename__ = "web_session"
    __table_args__ = (Index("ix_web_session_iss_sub", "iss", "sub"), Index("ix_web_session_iss_sid", "iss", "sid"))

    digest: Mapped[str] = mapped_column(primary_key=True)
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    iss: Mapped[str] = mapped_column(default="")
    sub: Mapped[str] = mapped_column(default="")
    sid: Mapped[str] = mapped_column(default="")
    sealed: Mapped[bytes | None]
