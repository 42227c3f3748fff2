from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class UsedLogoutToken(Base):
    """A logout token that the provider sent, by the SHA-256 of its issuer and ``jti``, kept until it would be refused for its age."""

    __tablename__ = "used_logout_token"

    digest: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
