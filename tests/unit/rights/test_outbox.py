from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from models import Outbox
from rights import outbox
from tests.factories import NOW, make_outbox

LATER = NOW + timedelta(seconds=30)
TOPICS = ["propagate_opt_outs", outbox.PUBLISH_LIST]


def test_a_leased_row_is_not_leased_again_before_its_time(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        row = outbox.add(session, TOPICS[0], {"request_id": 1}, NOW)
        assert [leased.id for leased in outbox.lease(session, TOPICS, 10, NOW, LATER)] == [row.id]
    with sessions.begin() as session:
        assert not outbox.lease(session, TOPICS, 10, NOW, LATER)
        assert len(outbox.lease(session, TOPICS, 10, LATER, LATER + timedelta(seconds=30))) == 1


def test_two_relays_never_lease_the_same_row(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        for _ in range(4):
            make_outbox(session)
    with sessions.begin() as session:
        one = {row.id for row in outbox.lease(session, TOPICS, 2, NOW, LATER)}
    with sessions.begin() as session:
        two = {row.id for row in outbox.lease(session, TOPICS, 10, NOW, LATER)}
    assert len(one) == len(two) == 2
    assert not one & two


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


def test_a_publication_under_way_does_not_count_as_promised(sessions: sessionmaker[Session]):
    """Only on PostgreSQL can it be under way while somebody else writes; SQLite has one writer."""
    with sessions.begin() as session:
        outbox.add_publication(session, NOW)
        row_id = session.scalars(select(Outbox.id)).one()
        if session.get_bind().dialect.name == "sqlite":
            return
    with sessions.begin() as publishing:
        assert outbox.locked(publishing, row_id) is not None
        with sessions.begin() as session:
            outbox.add_publication(session, NOW)
    with sessions() as session:
        assert len(session.scalars(select(Outbox)).all()) == 2
