from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from models import Outbox
from rights import outbox
from tests.factories import NOW, make_outbox

LATER = NOW + timedelta(seconds=30)
TOPICS = ["propagate_opt_outs", outbox.PUBLISH_LIST]
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
"""Where two transactions write at once; SQLite has one writer."""


def test_a_leased_row_is_not_leased_again_before_its_time(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        row = outbox.add(session, TOPICS[0], {"request_id": 1}, NOW)
        assert [leased.id for leased in outbox.lease(session, TOPICS, 10, NOW, LATER)] == [row.id]
    with sessions.begin() as session:
        assert not outbox.lease(session, TOPICS, 10, NOW, LATER)
        assert len(outbox.lease(session, TOPICS, 10, LATER, LATER + timedelta(seconds=30))) == 1


@on_postgresql
def test_two_relays_at_once_never_lease_the_same_row_and_neither_waits(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        rows = {make_outbox(session).id for _ in range(4)}
    with sessions.begin() as one, sessions.begin() as other:
        other.execute(text("SET LOCAL lock_timeout = '5s'"))  # whoever waits for the first relay fails
        ones = [row.id for row in outbox.lease(one, TOPICS, 2, NOW, LATER)]
        others = [row.id for row in outbox.lease(other, TOPICS, 10, NOW, LATER)]
    assert (len(ones), len(others)) == (2, 2)
    assert {*ones, *others} == rows


def test_a_done_row_is_done_once(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        row_id = make_outbox(session).id
    with sessions.begin() as session:
        row = outbox.locked(session, row_id)
        assert row is not None
        outbox.done(row, NOW)
    with sessions.begin() as session:
        assert outbox.locked(session, row_id) is None
        assert not outbox.lease(session, TOPICS, 10, LATER, LATER)


def test_only_the_latest_handing_gives_signs_of_life(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        row_id = make_outbox(session, attempts=2).id
        assert outbox.extend(session, row_id, 2, LATER)
        assert not outbox.extend(session, row_id, 1, LATER)


def test_failures_come_due_later_and_later(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        row_id = make_outbox(session, attempts=1).id
    waits = []
    for attempt in (1, 2, 20):
        with sessions.begin() as session:
            session.get_one(Outbox, row_id).attempts = attempt
            session.flush()
            outbox.failed(session, row_id, attempt, "it broke", NOW)
        with sessions() as session:
            row = session.get_one(Outbox, row_id)
            assert row.last_error == "it broke"
            waits.append((row.available_at - NOW).total_seconds())
    assert waits == [4, 8, outbox.RETRY_LIMIT_S]


def test_one_publication_is_promised_at_a_time(sessions: sessionmaker[Session]):
    for _ in range(3):
        with sessions.begin() as session:
            outbox.add_publication(session, NOW)
    with sessions() as session:
        assert len(session.scalars(select(Outbox)).all()) == 1


@on_postgresql
def test_a_publication_under_way_does_not_count_as_promised(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        outbox.add_publication(session, NOW)
        row_id = session.scalars(select(Outbox.id)).one()
    with sessions.begin() as publishing:
        assert outbox.locked(publishing, row_id) is not None
        with sessions.begin() as session:
            outbox.add_publication(session, NOW)
    with sessions() as session:
        assert len(session.scalars(select(Outbox)).all()) == 2


def test_a_publication_promised_while_the_clock_was_ahead_holds_no_later_one_up(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        outbox.add_publication(session, NOW + timedelta(days=40))
    with sessions.begin() as session:
        outbox.add_publication(session, NOW)
    with sessions() as session:
        assert [row.available_at for row in session.scalars(select(Outbox))] == [NOW + outbox.PUBLISH_DELAY]


def test_what_a_clock_put_far_ahead_is_brought_back_and_a_worker_in_between_keeps_its_lease(sessions: sessionmaker[Session]):
    lease = timedelta(seconds=20)
    with sessions.begin() as session:
        ahead = NOW + timedelta(days=40)
        never, handed, soon = (make_outbox(session, available_at=at, attempts=n) for at, n in ((ahead, 0), (ahead, 1), (LATER, 1)))
        assert outbox.recall(session, lease, NOW) == 2
        for row in (never, handed, soon):
            session.refresh(row)
        assert (never.available_at, handed.available_at, soon.available_at) == (NOW, NOW + lease, LATER)


def test_one_row_of_a_turn_waits_however_often_it_is_promised(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        for owner in ("ada", "ada", "ben", "ada"):
            outbox.add_turn(session, "search_copies", owner, {"owner": owner}, NOW)
        mine = session.scalars(select(Outbox).where(Outbox.turn == "ada")).one()
        outbox.add_turn(session, "search_copies", "ada", {"owner": "ada", "rest": {"taken": 2}}, NOW, but=mine.id)
        outbox.add_turn(session, "search_copies", "ada", {"owner": "ada"}, NOW, but=mine.id)
    with sessions() as session:
        rows = session.execute(select(Outbox.turn, Outbox.payload).order_by(Outbox.id)).all()
    assert rows == [("ada", {"owner": "ada"}), ("ben", {"owner": "ben"}), ("ada", {"owner": "ada", "rest": {"taken": 2}})]
