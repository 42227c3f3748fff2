"""The parts that other tests stand on do what their names say."""

import os

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from models import Account
from tests.factories import make_account
from tests.support.brokers import Broker


def test_each_test_gets_an_empty_migrated_database(engine: Engine, sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        assert session.scalars(select(Account)).all() == []
        make_account(session, owner="ada")
    with sessions() as session:
        assert session.scalars(select(Account)).one().owners == ("ada",)


def test_the_broker_has_no_tcp_port_and_is_private(broker: Broker) -> None:
    with broker.client() as client:
        assert client.config_get("port") == {"port": "0"}
    assert os.stat(broker.socket).st_mode & 0o777 == 0o700
    assert os.stat(broker.socket.parent).st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("forget", "left"), [(False, b"kept"), (True, None)])
def test_a_killed_broker_comes_back_with_or_without_its_memory(own_broker: Broker, forget: bool, left: bytes | None) -> None:
    with own_broker.client() as client:
        client.config_set("appendfsync", "always")
        client.set("word", "kept")
    own_broker.kill()
    if forget:
        own_broker.lose_everything()
    own_broker.start()
    with own_broker.client() as client:
        assert client.get("word") == left
