from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigId


class ApiToken(Base):
    """A bearer token of a machine. Only its digest is kept."""

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str] = mapped_column(unique=True)  # sha256 of the token
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
