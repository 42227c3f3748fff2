"""The audit trail: who did what to what, and when."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from models import AuditEvent

OPERATOR = "operator"
PLATFORM = "platform"
SYSTEM = "system"


def record(session: Session, actor: str, action: str, subject: str, detail: dict[str, Any], now: datetime) -> None:
    """Adds one line. ``actor`` and ``subject`` are public ids or one of the names above; people's names stay out of ``detail``."""
    session.add(AuditEvent(at=now, actor=actor, action=action, subject=subject, detail=detail))
