"""Security finding M12: a stranger's session grew with each sign-in that was begun, and each reader of the lookup page got a row."""

import json
from datetime import timedelta

from sqlalchemy import select

from models import WebSession
from portal.auth.provider import MOST_BEGUN
from portal.site import now
from tests.support.portals import ADA, TestedPortal


def rows(portal: TestedPortal) -> list[WebSession]:
    with portal.workplace.reading() as session:
        return list(session.scalars(select(WebSession)))


def test_300_begun_sign_ins_keep_five(portal: TestedPortal):
    visitor = portal.visitor()
    for number in range(300):
        visitor.get(f"/auth/sign-in?next=/photos?page={number}")
    [row] = rows(portal)
    assert len(row.data["sign_ins"]) == MOST_BEGUN == 5
    assert len(json.dumps(row.data)) < 3000
    assert visitor.sign_in(ADA).location == "/photos"


def test_a_page_to_come_back_to_has_a_longest_address(portal: TestedPortal):
    visitor = portal.visitor()
    for _ in range(10):
        visitor.get(f"/auth/sign-in?next=/photos?text={'x' * 30_000}")
    assert len(json.dumps(rows(portal)[0].data)) < 12_000


def test_strangers_who_read_pages_with_forms_have_no_session(portal: TestedPortal):
    for _ in range(20):
        visitor = portal.visitor()
        for path in ("/verify", "/runs", "/", "/lookup"):
            assert "Set-Cookie" not in visitor.get(path).headers
        assert visitor.post("/lookup", {"fingerprint": "{}"}).status_code == 422
    assert rows(portal) == []


def test_a_strangers_session_ends_with_the_hour(portal: TestedPortal):
    portal.visitor().get("/auth/sign-in")
    [row] = rows(portal)
    assert row.expires_at <= now() + timedelta(hours=1)


def test_a_stranger_cannot_leave_a_form_here(portal: TestedPortal):
    """What is kept of a form for after signing in is kept for those alone whose token shows that they were signed in."""
    visitor = portal.visitor()
    for _ in range(3):
        visitor.get("/lookup")
        answer = visitor.post("/opt-outs/check", {"uid": ["x" * 1000] * 300})
        assert answer.status_code == 401
        assert "Please sign in first" in answer.text
    assert rows(portal) == []
