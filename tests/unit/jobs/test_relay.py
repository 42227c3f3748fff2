"""Leases: what is handed out once, what is handed out again, and what waits."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from redis import Redis
from sqlalchemy import select

from jobs import relay as relay_module
from jobs.broker import connect, open_queue
from jobs.relay import Relay
from jobs.workplace import Workplace, now
from models import Account, Outbox
from rights import outbox
from tests.factories import make_account
from tests.support.brokers import Broker

SHORT_S = 0.2


@pytest.fixture
def connection(broker: Broker):
    with connect(broker.url) as connection:
        yield connection


def promise(workplace: Workplace, topic: str = "search_copies", count: int = 1) -> None:
    with workplace.writing.begin() as session:
        for _ in range(count):
            outbox.add(session, topic, {"request_id": 1}, now())


def waiting(connection: Redis, queue: str = "search") -> list[str]:
    return open_queue(queue, connection).get_job_ids()


def test_what_is_due_is_handed_out_once_and_to_its_queue(workplace: Workplace, connection: Redis):
    promise(workplace)
    promise(workplace, "train_run")
    relay = Relay(workplace, connection)
    assert relay.tick() == 2
    assert relay.tick() == 0
    assert waiting(connection) == ["outbox-1-1"]
    assert waiting(connection, "model") == ["outbox-2-1"]


def test_what_is_promised_for_later_waits(workplace: Workplace, connection: Redis):
    with workplace.writing.begin() as session:
        outbox.add(session, "search_copies", {}, now()).available_at = now() + timedelta(minutes=5)
    assert Relay(workplace, connection).tick() == 0


def test_a_job_that_waits_in_its_queue_is_not_handed_out_again(workplace: Workplace, connection: Redis):
    promise(workplace)
    relay = Relay(workplace, connection, lease_s=SHORT_S)
    relay.tick()
    time.sleep(SHORT_S * 1.5)
    assert relay.tick() == 0
    assert waiting(connection) == ["outbox-1-1"]


def test_what_the_broker_forgot_is_handed_out_again(workplace: Workplace, connection: Redis):
    promise(workplace, count=3)
    relay = Relay(workplace, connection, lease_s=SHORT_S)
    relay.tick()
    connection.flushall()
    assert relay.tick() == 0, "not before the lease has run out"
    time.sleep(SHORT_S * 1.5)
    assert relay.tick() == 3
    assert waiting(connection) == ["outbox-1-2", "outbox-2-2", "outbox-3-2"]


def test_a_long_backlog_waits_in_the_outbox(workplace: Workplace, connection: Redis, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(relay_module, "WINDOW", 3)
    promise(workplace, count=5)
    promise(workplace, "train_run")
    relay = Relay(workplace, connection)
    assert relay.tick() == 4
    assert len(waiting(connection)) == 3
    assert len(waiting(connection, "model")) == 1, "one queue's backlog does not hold another's"
    assert relay.tick() == 0


def test_a_broker_that_died_in_the_middle_costs_a_lease_and_no_more(workplace: Workplace, own_broker: Broker):
    promise(workplace)
    with connect(own_broker.url) as connection:
        relay = Relay(workplace, connection, lease_s=SHORT_S)
        own_broker.kill()
        with pytest.raises(Exception, match="Error"):
            relay.tick()
        own_broker.start()
        time.sleep(SHORT_S * 1.5)
        assert relay.tick() == 1
    with workplace.reading() as session:
        assert session.scalars(select(Outbox.attempts)).one() in (1, 2)


@pytest.mark.parametrize(("mail", "kept"), [({}, ""), ({"smtp_url": "smtp://mail.example", "mail_from": "a@b.example"}, "ada@b.example")])
def test_where_no_mail_is_sent_a_relay_forgets_addresses(workplace: Workplace, connection: Redis, mail: dict[str, str], kept: str):
    with workplace.writing.begin() as session:
        make_account(session, email="ada@b.example")
    config = workplace.config.model_copy(update=mail)
    Relay(replace(workplace, config=config), connection).tick()
    with workplace.reading() as session:
        assert session.scalars(select(Account.email)).all() == [kept]


def test_mail_waits_in_a_queue_of_its_own(workplace: Workplace, connection: Redis):
    promise(workplace, outbox.MAIL_RECEIPT)
    assert Relay(workplace, connection).tick() == 1
    assert (waiting(connection), len(waiting(connection, "notices"))) == ([], 1), "a slow mail server holds nothing else up"


def test_what_was_promised_while_the_clock_was_ahead_is_handed_out(workplace: Workplace, connection: Redis):
    with workplace.writing.begin() as session:
        outbox.add(session, "search_copies", {"owner": "ada"}, now() + timedelta(days=40))
    assert Relay(workplace, connection).tick() == 1
    assert waiting(connection) == ["outbox-1-1"]


@pytest.mark.parametrize("tended", [True, False], ids=["tended lately", "about to be tended"])
def test_a_worker_who_could_not_write_is_not_taken_for_dead(workplace: Workplace, connection: Redis, tended: bool):
    promise(workplace)
    first, later = Relay(workplace, connection, lease_s=SHORT_S), Relay(workplace, connection, lease_s=SHORT_S)
    assert first.tick() == 1
    connection.flushall()  # a worker took the job
    relay = first if tended else later  # one that has never tended does so first of all
    with ThreadPoolExecutor(1) as thread, workplace.writing.begin() as session:
        session.connection()  # from now on nobody else may write
        looking = thread.submit(relay.tick)
        time.sleep(SHORT_S * 2)
        session.commit()
        assert looking.result() == 0
    time.sleep(SHORT_S * 1.5)
    assert relay.tick() == 1, "whoever gives no sign afterwards either is"
