"""How often one client may look up, with a real broker and without."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from front.admission import network
from models import OptOut
from tests.support.brokers import Broker
from tests.support.databases import SqliteDatabases
from tests.support.lookups import fingerprint_of
from tests.support.pictures import photo_bytes
from tests.support.portals import ADA, BEN, TestedPortal, Visitor, portal_for_tests

SENT = fingerprint_of(photo_bytes("ada", 0))
Open = Callable[..., TestedPortal]


@pytest.fixture
def open_portal(tmp_path: Path, sqlite_databases: SqliteDatabases, member_catalogues: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_portal(name: str = "portal", **settings: Any) -> TestedPortal:
            (tmp_path / name).mkdir()
            url = stack.enter_context(sqlite_databases.fresh())
            rates = {"lookups_of_strangers": "2 per minute", "lookups_of_members": "4 per minute"}
            return stack.enter_context(portal_for_tests(tmp_path / name, url, member_catalogues, **rates | settings))

        yield open_portal


def ask(visitor: Visitor, address: str = "192.0.2.1") -> Any:
    return visitor.client.post("/api/v1/lookups", json=SENT, environ_base={"REMOTE_ADDR": address})


def statuses(portal: TestedPortal, *addresses: str) -> list[int]:
    return [ask(portal.visitor(), address).status_code for address in addresses]


@pytest.mark.parametrize("where", ["broker", "no broker"])
def test_an_address_is_limited_and_told_how_long_to_wait(open_portal: Open, broker: Broker, where: str):
    portal = open_portal(redis_url=broker.url if where == "broker" else "")
    assert statuses(portal, "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2") == [200, 200, 429, 200]
    refused = ask(portal.visitor())
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json["error"] == "That was a lot of lookups"


def test_all_processes_count_together_and_keep_no_address(open_portal: Open, broker: Broker):
    one = open_portal("one", redis_url=broker.url, secret_key="the same")
    other = open_portal("other", redis_url=broker.url, secret_key="the same")
    assert statuses(one, "192.0.2.1", "192.0.2.1") + statuses(other, "192.0.2.1") == [200, 200, 429]
    with broker.client() as client:
        keys = b" ".join(client.scan_iter()).decode()
    assert "demur" in keys
    assert "192.0.2.1" not in keys


def test_the_limit_outlives_the_broker(open_portal: Open, own_broker: Broker):
    portal = open_portal(redis_url=own_broker.url)
    assert statuses(portal, "192.0.2.1") == [200]
    own_broker.kill()
    assert statuses(portal, "192.0.2.1", "192.0.2.1", "192.0.2.1") == [200, 200, 429]


def test_a_member_may_ask_more_from_anywhere(open_portal: Open):
    portal = open_portal()
    visitor = portal.member(ADA)
    visitor.get("/lookup")
    form_token = {"X-CSRFToken": visitor.hidden_fields()["csrf_token"][0]}
    asked = [visitor.client.post("/api/v1/lookups", json=SENT, headers=form_token).status_code for _ in range(5)]
    assert asked == [200, 200, 200, 200, 429]


def test_each_picture_of_a_form_counts_and_the_page_says_so(open_portal: Open):
    portal = open_portal()
    visitor = portal.visitor()
    visitor.get("/lookup")
    files = [(io.BytesIO(photo_bytes("ada", number)), f"{number}.jpg") for number in range(3)]
    token = visitor.hidden_fields()["csrf_token"][0]
    answer = visitor.client.post("/lookup", data={"csrf_token": token, "picture": files})
    assert answer.status_code == 429
    assert "Signed in, you can look up many more" in answer.text


def test_an_empty_field_of_a_form_does_not_count(open_portal: Open):
    visitor = open_portal().visitor()
    visitor.get("/lookup")
    token = visitor.hidden_fields()["csrf_token"][0]
    answers = []
    for _ in range(3):
        files = [(io.BytesIO(photo_bytes("ada", 0)), "print.jpg"), (io.BytesIO(), "")]
        answers.append(visitor.client.post("/lookup", data={"csrf_token": token, "picture": files}).status_code)
    assert answers == [200, 200, 429]


def test_a_member_is_not_told_to_sign_in(open_portal: Open):
    visitor = open_portal(lookups_of_members="1 per minute").member(ADA)
    visitor.get("/lookup")
    token = visitor.hidden_fields()["csrf_token"][0]
    answers = [visitor.client.post("/lookup", data={"csrf_token": token, "fingerprint": json.dumps(SENT)}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert "Please wait a moment" in answers[1].text
    assert "Signed in" not in answers[1].text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::3", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::3", "2001:db8:1:3::3", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", None, True),
    ],
)
def test_what_counts_as_one_client(one: str, other: str | None, same: bool):
    assert (network(one) == network(other)) is same


def test_a_member_files_and_withdraws_so_often_and_what_is_refused_changes_nothing(open_portal: Open):
    portal = open_portal(changes_of_members="2 per minute")
    ada, ben = portal.member(ADA), portal.member(BEN)
    ada.get("/photos")
    filed = ada.post("/opt-outs", {"uid": "ada-1", "regime": "gdpr"}).location
    assert ada.post("/opt-outs", {"uid": "ada-2", "regime": "gdpr"}).status_code == 303
    for address, fields in (("/opt-outs", {"uid": "ada-3"}), (f"{filed}/withdraw", {}), ("/photos/ada-1/put-back", {})):
        ada.get("/photos")
        refused = ada.post(address, fields)
        assert (refused.status_code, "That was a lot of changes" in refused.text) == (429, True)
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
    with portal.workplace.reading() as session:
        rows = session.execute(select(OptOut.subject, OptOut.withdrawn_at).order_by(OptOut.id)).all()
    assert rows == [("ada-1", None), ("ada-2", None)]
    ben.get("/photos")
    assert ben.post("/opt-outs", {"uid": "ben-exact", "regime": "gdpr"}).status_code == 303, "another member is another client"
