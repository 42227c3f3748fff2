from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.api_token import ApiToken
from models.base import Base, BigId


class Acknowledgement(Base):
    """A consumer of the exclusion list says which version it obeys now, and what that dropped from which manifest."""

    __tablename__ = "acknowledgement"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("api_token.id"), index=True)
    version: Mapped[int]
    manifest: Mapped[str] = mapped_column(default="")  # as the consumer calls it
    rows: Mapped[int] = mapped_column(BigInteger)
    dropped: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]

    token: Mapped[ApiToken] = relationship()
