from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.account import Account
from models.base import Base, BigId, new_public_id


class RequestState(StrEnum):
    """The states of the Data Rights Protocol 1.0, verbatim."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    FULFILLED = "fulfilled"
    DENIED = "denied"
    REVOKED = "revoked"
    EXPIRED = "expired"


class RequestKind(StrEnum):
    OBJECTION = "objection"  # GDPR 21: do not train on these photos


class Regime(StrEnum):
    GDPR = "gdpr"
    CCPA = "ccpa"
    VOLUNTARY = "voluntary"


class RightsRequest(Base):
    """What one person asked for in one go, known to them by its reference."""

    __tablename__ = "rights_request"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    reference: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    kind: Mapped[RequestKind]
    regime: Mapped[Regime]
    state: Mapped[RequestState]
    comment: Mapped[str] = mapped_column(default="")  # the member's own words, optional
    received_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship()
    events: Mapped[list["RightsRequestEvent"]] = relationship(order_by="RightsRequestEvent.id", cascade="all, delete-orphan")


class RightsRequestEvent(Base):
    """One dated line of a request's timeline."""

    __tablename__ = "rights_request_event"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("rights_request.id"), index=True)
    at: Mapped[datetime]
    state: Mapped[RequestState]
    note: Mapped[str] = mapped_column(default="")
