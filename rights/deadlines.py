"""By when a request must be answered. Pure: a law, a kind of request and a date.

Sources, one a line of the table: GDPR and UK GDPR, Article 12(3); Swiss Data Protection Ordinance, Article 18 (30 days, set for access; an
objection has no term of its own, so the same is kept); 11 CCR § 7026(f) for California's opt-out, California Civil Code
§ 1798.130(a)(2) for its other rights.
"""

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from models import Regime, RequestKind

WORKING_DAYS = 5  # of a week, Monday first


class Unit(StrEnum):
    MONTH = "month"
    DAY = "day"
    BUSINESS_DAY = "business day"


@dataclass(frozen=True)
class Term:
    """How long an answer may take."""

    count: int
    unit: Unit

    def after(self, received: datetime) -> datetime:
        """The last moment of the term. Holidays count as business days, so that the date is never later than the law's."""
        match self.unit:
            case Unit.MONTH:
                return _months_later(received, self.count)
            case Unit.DAY:
                return received + timedelta(days=self.count)
            case Unit.BUSINESS_DAY:
                return _business_days_later(received, self.count)

    def __str__(self) -> str:
        return f"one {self.unit}" if self.count == 1 else f"{self.count} {self.unit}s"


_BY_REGIME = {
    Regime.GDPR: Term(1, Unit.MONTH),
    Regime.UK_GDPR: Term(1, Unit.MONTH),
    Regime.SWISS_FADP: Term(30, Unit.DAY),
    Regime.CCPA: Term(45, Unit.DAY),
    Regime.VOLUNTARY: Term(1, Unit.MONTH),
}
_BY_KIND = {(Regime.CCPA, RequestKind.OBJECTION): Term(15, Unit.BUSINESS_DAY)}


def term(regime: Regime, kind: RequestKind) -> Term:
    """The term by which the law, or the operator's own promise, has a request of this kind answered."""
    return _BY_KIND.get((regime, kind), _BY_REGIME[regime])


def answer_by(regime: Regime, kind: RequestKind, received: datetime) -> datetime:
    """The last moment for an answer to a request."""
    return term(regime, kind).after(received)


def _months_later(at: datetime, months: int) -> datetime:
    """The same day of a later month, or that month's last day."""
    years, month = divmod(at.month - 1 + months, 12)
    year, month = at.year + years, month + 1
    return at.replace(year=year, month=month, day=min(at.day, calendar.monthrange(year, month)[1]))


def _business_days_later(at: datetime, days: int) -> datetime:
    while days:
        at += timedelta(days=1)
        days -= at.weekday() < WORKING_DAYS
    return at
