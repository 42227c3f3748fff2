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
    """What a person asks for. Members file objections; deadlines and the publication of a list tell the others apart from them."""

    OBJECTION = "objection"  # GDPR 21, CCPA opt-out: do not train on these photos
    ACCESS = "access"  # GDPR 15, CCPA right to know
    PORTABILITY = "portability"  # GDPR 20
    RECTIFICATION = "rectification"  # GDPR 16, CCPA right to correct
    ERASURE = "erasure"  # GDPR 17, CCPA right to delete
    RESTRICTION = "restriction"  # GDPR 18


class Regime(StrEnum):
    """The law that a request is answered under: that of the place where the person says they live."""

    GDPR = "gdpr"  # EU and EEA
    UK_GDPR = "uk_gdpr"
    SWISS_FADP = "swiss_fadp"
    CCPA = "ccpa"  # California
    VOLUNTARY = "voluntary"  # anywhere else: the operator's own promise


class RightsRequest(Base):
    """What one person asked for in one go, known to them by its reference."""

    __tablename__ = "rights_request"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    reference: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    kind: Mapped[RequestKind]
    regime: Mapped[Regime]
    state: Mapped[RequestState] = mapped_column(index=True)  # a publication asks for those in progress
    comment: Mapped[str] = mapped_column(default="")  # the member's own words, optional
    received_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    denied_because: Mapped[str] = mapped_column(default="")  # a reason of the Data Rights Protocol, with DENIED

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
