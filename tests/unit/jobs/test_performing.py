"""One handing: done once, given back, or noted as failed."""

from datetime import datetime, timedelta
from threading import Event

import pytest
from sqlalchemy import select

from jobs import performing
from jobs.broker import Handing
from jobs.performing import Performer
from jobs.topics import Topic
from jobs.workplace import Interrupted, Work, Workplace, now
from models import AuditEvent, Outbox
from rights import audit, outbox
from tests.support.waiting import wait_until

TOPIC = "test"


@pytest.fixture
def row(workplace: Workplace) -> Outbox:
    with workplace.writing.begin() as session:
        row = outbox.add(session, TOPIC, {"n": 1}, now())
        row.attempts = 1
        row.available_at = now() + timedelta(seconds=20)
    return row


def perform(workplace: Workplace, row: Outbox, carry_out, monkeypatch, attempt: int = 1, lease_s: float = 20) -> Outbox:
    monkeypatch.setitem(performing.TOPICS, TOPIC, Topic("search", carry_out))
    Performer(workplace, Event()).carry_out(Handing(row.id, attempt, lease_s))
    with workplace.reading() as session:
        return session.get_one(Outbox, row.id)


def leave_a_trace(workplace: Workplace, work: Work) -> None:
    with workplace.effect(work) as session:
        audit.record(session, "test", "done", str(work.outbox_id), work.payload, now())


def leased_until(workplace: Workplace, row: Outbox) -> datetime:
    with workplace.reading() as session:
        return session.get_one(Outbox, row.id).available_at


def traces(workplace: Workplace) -> int:
    with workplace.reading() as session:
        return len(session.scalars(select(AuditEvent).where(AuditEvent.actor == "test")).all())


def test_the_effect_happens_once_however_often_it_is_handed_out(workplace: Workplace, row: Outbox, monkeypatch):
    for _ in range(3):
        assert perform(workplace, row, leave_a_trace, monkeypatch).done_at is not None
    assert traces(workplace) == 1


def test_an_overtaken_handing_is_left_alone(workplace: Workplace, row: Outbox, monkeypatch):
    assert perform(workplace, row, leave_a_trace, monkeypatch, attempt=0).done_at is None
    assert traces(workplace) == 0


def test_whoever_comes_second_to_the_lock_finds_it_done(workplace: Workplace, row: Outbox, monkeypatch):
    def overtaken(workplace: Workplace, work: Work) -> None:
        leave_a_trace(workplace, work)  # another worker, quicker
        leave_a_trace(workplace, work)

    assert perform(workplace, row, overtaken, monkeypatch).done_at is not None
    assert traces(workplace) == 1


def test_a_failure_is_noted_undone_and_comes_due_again(workplace: Workplace, row: Outbox, monkeypatch):
    def fail(workplace: Workplace, work: Work) -> None:
        with workplace.effect(work) as session:
            audit.record(session, "test", "half done", "", {}, now())
            raise RuntimeError("out of luck")

    after = perform(workplace, row, fail, monkeypatch)
    assert after.done_at is None
    assert after.last_error == "RuntimeError", "an error's words may name a photo or a person"
    assert now() < after.available_at < now() + timedelta(seconds=10)
    assert traces(workplace) == 0


def test_interrupted_work_is_given_back_at_once(workplace: Workplace, row: Outbox, monkeypatch):
    def interrupt(workplace: Workplace, work: Work) -> None:
        raise Interrupted("told to stop")

    assert perform(workplace, row, interrupt, monkeypatch).available_at <= now()


def test_long_work_keeps_its_lease(workplace: Workplace, row: Outbox, monkeypatch):
    def take_long(workplace: Workplace, work: Work) -> None:
        with workplace.writing.begin() as session:
            session.get_one(Outbox, work.outbox_id).available_at = ends = now()
        wait_until("its lease is extended", lambda: leased_until(workplace, row) > ends)
        once = leased_until(workplace, row)
        wait_until("its lease is extended again", lambda: leased_until(workplace, row) > once)
        leave_a_trace(workplace, work)

    assert perform(workplace, row, take_long, monkeypatch, lease_s=0.3).last_error == ""


def test_long_work_stops_when_somebody_else_was_given_it(workplace: Workplace, row: Outbox, monkeypatch):
    def lose_it(workplace: Workplace, work: Work) -> None:
        with workplace.writing.begin() as session:
            session.get_one(Outbox, work.outbox_id).attempts += 1
        wait_until("it is told to stop", lambda: work.must_stop)
        stopped.set()

    stopped = Event()
    perform(workplace, row, lose_it, monkeypatch, lease_s=0.3)
    assert stopped.is_set()
