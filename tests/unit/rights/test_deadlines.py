from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Regime, RequestKind
from rights.deadlines import Term, Unit, answer_by, term


@pytest.mark.parametrize(
    ("regime", "kind", "received", "due"),
    [
        (Regime.GDPR, RequestKind.OBJECTION, (2027, 1, 31), (2027, 2, 28)),
        (Regime.GDPR, RequestKind.ACCESS, (2028, 1, 31), (2028, 2, 29)),
        (Regime.UK_GDPR, RequestKind.OBJECTION, (2026, 12, 5), (2027, 1, 5)),
        (Regime.SWISS_FADP, RequestKind.OBJECTION, (2027, 1, 31), (2027, 3, 2)),
        (Regime.VOLUNTARY, RequestKind.OBJECTION, (2026, 3, 1), (2026, 4, 1)),
    ],
)
def test_the_last_day_for_an_answer(regime: Regime, kind: RequestKind, received: tuple[int, int, int], due: tuple[int, int, int]):
    assert answer_by(regime, kind, datetime(*received, tzinfo=UTC)) == datetime(*due, tzinfo=UTC)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ((2026, 11, 30), (2026, 12, 21)),  # a Monday: three weeks
        ((2026, 11, 28), (2026, 12, 18)),  # a Saturday: the Friday of the third week after
    ],
)
def test_a_californian_opt_out_is_due_in_fifteen_business_days(received: tuple[int, int, int], due: tuple[int, int, int]):
    assert answer_by(Regime.CCPA, RequestKind.OBJECTION, datetime(*received, tzinfo=UTC)) == datetime(*due, tzinfo=UTC)


@pytest.mark.parametrize("kind", [RequestKind.ACCESS, RequestKind.ERASURE, RequestKind.RECTIFICATION])
def test_californias_know_delete_and_correct_are_due_in_forty_five_days(kind: RequestKind):
    received = datetime(2026, 11, 21, tzinfo=UTC)
    assert answer_by(Regime.CCPA, kind, received) == received + timedelta(days=45)


@given(st.integers(0, 40_000), st.integers(1, 60))
def test_business_days_end_on_a_business_day_and_pass_over_weekends(day: int, count: int):
    received = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=day)
    due = Term(count, Unit.BUSINESS_DAY).after(received)
    assert due.weekday() < 5
    passed = [received + timedelta(days=day) for day in range(1, (due - received).days + 1)]
    assert sum(day.weekday() < 5 for day in passed) == count


@pytest.mark.parametrize("regime", Regime)
@pytest.mark.parametrize("kind", RequestKind)
def test_every_law_has_a_term_for_every_kind_of_request(regime: Regime, kind: RequestKind):
    received = datetime(2026, 11, 21, tzinfo=UTC)
    assert received < answer_by(regime, kind, received) <= received + timedelta(days=45)
    assert str(term(regime, kind)).split()[0] in ("one", "15", "30", "45")
