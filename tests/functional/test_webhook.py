"""The platform's webhook: signed, fresh, once."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from sqlalchemy import func, select

from models import OptOut
from tests.support.portals import ADA, TestedPortal, now

PATH = "/api/v1/platform-events"
EVENT = {"event_id": "e-1", "kind": "photo_deleted", "owner": ADA, "uid": "ada-2", "occurred_at": "2026-11-21T12:00:00Z"}


def send(portal: TestedPortal, event: dict[str, Any] | bytes, *, secret: str = "another secret", age: int = 0, header: str | None = None):
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    at = int(now().timestamp()) - age
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    signature = f"t={at},v1={digest}" if header is None else header
    return portal.app.test_client().post(PATH, data=body, headers={"Demur-Signature": signature})


def opt_outs(portal: TestedPortal) -> int:
    with portal.workplace.reading() as session:
        return session.scalar(select(func.count(OptOut.id))) or 0


def test_a_deleted_photo_excludes_by_itself_and_a_replay_changes_nothing(portal: TestedPortal):
    first = send(portal, EVENT)
    assert (first.status_code, first.get_json()["new"]) == (202, True)
    assert send(portal, EVENT).get_json()["new"] is False
    assert opt_outs(portal) == 1


@pytest.mark.parametrize("how", [{"secret": "wrong"}, {"age": 301}, {"age": -301}, {"header": ""}, {"header": "t=1,v1=zz"}], ids=str)
def test_a_signature_that_is_wrong_or_old_is_refused(portal: TestedPortal, how: dict[str, Any]):
    assert send(portal, EVENT, **how).status_code == 403
    assert opt_outs(portal) == 0


@pytest.mark.parametrize(
    "event",
    [
        b"no json",
        b"[]",
        EVENT | {"kind": "rained"},
        EVENT | {"uid": 7},
        EVENT | {"uid": ""},
        EVENT | {"occurred_at": "2026-11-21T12:00:00"},
        EVENT | {"occurred_at": "0001-01-01T00:00:00+14:00"},
        EVENT | {"occurred_at": "9999-12-31T23:59:59-14:00"},
        EVENT | {"owner": "\ud83d"},
        EVENT | {"uid": "ada\0"},
        EVENT | {"event_id": "e" * 3000},
        b"[" * 60_000,
    ],
    ids=str,
)
def test_an_event_that_cannot_be_read_is_a_400(portal: TestedPortal, event: Any):
    assert send(portal, event).status_code == 400
    assert opt_outs(portal) == 0


def test_a_closed_account_is_excluded_and_cannot_come_in(portal: TestedPortal):
    ada = portal.member(ADA)
    event = {"event_id": "e-2", "kind": "account_closed", "owner": ADA, "occurred_at": "2026-11-21T12:00:00Z"}
    assert send(portal, event).status_code == 202
    assert ada.get("/photos").status_code == 302


def test_an_event_that_comes_too_late_to_count_is_said_to_be_ignored(portal: TestedPortal):
    public = EVENT | {"event_id": "e-3", "kind": "photo_made_public", "occurred_at": "2026-11-21T13:00:00Z"}
    assert send(portal, public).get_json() == {"received": True, "new": True, "ignored": False}
    assert send(portal, EVENT).get_json() == {"received": True, "new": True, "ignored": True}
    assert opt_outs(portal) == 0
