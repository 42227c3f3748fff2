"""How sessions end: by the person here or everywhere, by time, by the end of the account; and what a lost one does not lose."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from models import OptOut, WebSession
from portal.auth.going_on import MOST_LETTERS
from portal.site import now
from rights.platform_events import Event, EventKind, receive_event
from tests.support.portals import ADA, BEN, TestedPortal, Visitor


def age(portal: TestedPortal, **times: timedelta) -> None:
    """As if so much time had passed for every session."""
    with portal.workplace.writing.begin() as session:
        session.execute(update(WebSession).values({name: now() - ago for name, ago in times.items()}))


def opt_outs(portal: TestedPortal) -> int:
    with portal.workplace.reading() as session:
        return session.scalar(select(func.count(OptOut.id))) or 0


def test_signing_out_empties_the_browsers_cache_and_leaves_the_platforms_cookies(portal: TestedPortal):
    member = portal.member(ADA)
    member.get("/account")
    assert member.post("/auth/sign-out").headers["Clear-Site-Data"] == '"cache", "storage"'


def test_signing_out_everywhere_ends_every_browsers_session_and_nobody_elses(portal: TestedPortal):
    here, there, ben = portal.member(ADA), portal.member(ADA), portal.member(BEN)
    assert "On 2 browsers, this one included." in here.get("/account").text
    assert here.post("/auth/sign-out-everywhere").status_code == 302
    assert [one.get("/photos").status_code for one in (here, there, ben)] == [302, 302, 200]


def test_a_member_who_does_not_come_back_is_signed_out(portal: TestedPortal):
    member = portal.member(ADA)
    age(portal, seen_at=timedelta(hours=11, minutes=50))
    assert member.get("/photos").status_code == 200
    age(portal, seen_at=timedelta(hours=12, minutes=1))
    assert member.get("/photos").status_code == 302


def test_a_visit_keeps_a_session_and_what_a_script_fetches_does_not(portal: TestedPortal):
    member = portal.member(ADA)
    age(portal, seen_at=timedelta(hours=11))
    member.get("/photos", headers={"Sec-Fetch-Dest": "empty"})
    age_of = select(WebSession.seen_at).where(WebSession.account_id.is_not(None))
    with portal.workplace.reading() as session:
        assert session.scalars(age_of).one() < now() - timedelta(hours=10)
    member.get("/photos", headers={"Sec-Fetch-Dest": "document"})
    with portal.workplace.reading() as session:
        assert session.scalars(age_of).one() > now() - timedelta(minutes=1)


def test_a_session_ends_after_seven_days_however_often_it_is_used(portal: TestedPortal):
    member = portal.member(ADA)
    with portal.workplace.reading() as session:
        row = session.scalars(select(WebSession)).one()
    assert row.expires_at - row.created_at == timedelta(days=7)
    age(portal, expires_at=timedelta(seconds=1))
    assert member.get("/photos").status_code == 302


def test_a_session_from_before_the_account_was_closed_stays_dead(portal: TestedPortal):
    before = portal.member(ADA)
    with portal.workplace.writing.begin() as session:
        receive_event(session, Event("e1", EventKind.ACCOUNT_CLOSED, ADA, "", now()), now())
    assert before.get("/photos").status_code == 302
    portal.member(ADA)  # comes back, and the account with her
    assert before.get("/photos").status_code == 302


# --- a lost session keeps the selection ---


def sign_in_and_go_on(visitor: Visitor, member: str = ADA) -> str:
    """From the page "You were signed out" to what was chosen."""
    assert 'href="/auth/sign-in?next=/auth/go-on">Sign in and go on' in visitor.page
    assert visitor.sign_in(member, "/auth/sign-in?next=/auth/go-on").location == "/auth/go-on"
    return visitor.get("/auth/go-on").text


def lose_session(portal: TestedPortal) -> None:
    with portal.workplace.writing.begin() as session:
        for row in session.scalars(select(WebSession)):
            session.delete(row)


def send_again(visitor: Visitor) -> str:
    fields = visitor.hidden_fields()
    token = fields.pop("csrf_token")[-1]
    return visitor.get("/") and visitor.post("/opt-outs/check", data=fields | {"csrf_token": token}).text


def test_a_lost_session_offers_to_sign_in_and_go_on_with_the_selection_kept(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/photos")
    lose_session(portal)
    answer = visitor.post("/opt-outs/check", {"uid": ["ada-0", "ada-1"], "status": "any"})
    assert answer.status_code == 401
    assert "You were signed out" in answer.text
    page = sign_in_and_go_on(visitor)
    assert "What you chose before is still here" in page
    assert visitor.hidden_fields()["uid"] == ["ada-0", "ada-1"]
    assert "2 photos" in send_again(visitor)
    assert visitor.get("/auth/go-on").location == "/photos", "sent, so nothing waits any longer"


def test_what_was_about_to_be_filed_is_checked_once_more_and_nothing_is_filed_by_itself(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/photos")
    visitor.post("/opt-outs/check", {"uid": ["ada-0"]})
    lose_session(portal)
    visitor.post("/opt-outs", {"uid": ["ada-0"], "comment": "Please."})
    sign_in_and_go_on(visitor)
    assert opt_outs(portal) == 0
    assert "Please." in send_again(visitor)
    assert opt_outs(portal) == 0


def test_somebody_else_who_signs_in_gets_nothing_of_it(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/photos")
    lose_session(portal)
    visitor.post("/opt-outs/check", {"uid": ["ada-0", "ada-1"]})
    assert visitor.sign_in(BEN, "/auth/sign-in?next=/auth/go-on").status_code == 302
    assert visitor.get("/auth/go-on").location == "/photos"
    assert "Nothing is waiting for you" in visitor.get("/photos").text


def test_who_signed_in_anew_in_another_tab_goes_on_too(portal: TestedPortal):
    visitor = portal.member(ADA)
    old_page = visitor.get("/photos").text
    visitor.sign_in(ADA)
    visitor.page = old_page
    assert "2 photos" in visitor.post("/opt-outs/check", {"uid": ["ada-0", "ada-1"]}).text  # only shows: goes on at once
    visitor.page = old_page
    assert visitor.post("/opt-outs", {"uid": ["ada-0"]}).location == "/auth/go-on"
    assert "What you chose before is still here" in visitor.get("/auth/go-on").text
    assert opt_outs(portal) == 0


def test_a_form_without_a_selection_brings_its_page_back(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/photos/ada-0")
    lose_session(portal)
    answer = visitor.post("/photos/ada-0/put-back", headers={"Referer": f"{portal.config.base_url}/photos/ada-0"})
    assert answer.status_code == 401
    assert 'href="/auth/sign-in?next=/photos/ada-0">Sign in and go on' in answer.text


@pytest.mark.parametrize("referrer", ["https://evil.example/photos", "https://evil.example//evil", ""])
def test_the_page_that_comes_back_is_ours(portal: TestedPortal, referrer: str):
    visitor = portal.member(ADA)
    visitor.get("/photos/ada-0")
    lose_session(portal)
    answer = visitor.post("/photos/ada-0/put-back", headers={"Referer": referrer})
    assert 'href="/auth/sign-in?next=/photos">Sign in and go on' in answer.text


def test_a_selection_beyond_the_bound_is_not_kept(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/photos")
    lose_session(portal)
    answer = visitor.post("/opt-outs/check", {"uid": [f"{number:0>100}" for number in range(MOST_LETTERS // 100)]})
    assert answer.status_code == 401
    assert "What you chose is kept" not in answer.text
    with portal.workplace.reading() as session:
        assert session.scalars(select(WebSession)).all() == []


def test_another_website_cannot_send_a_members_form(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/photos")
    senders = ["cross-site", "same-site"]
    origins = ["https://evil.example", "https://sub.portal.example", "null", "http://[::1"]
    by_sender = [{"Sec-Fetch-Site": sender, **more} for sender in senders for more in ({}, {"Origin": "null"})]
    by_origin = [{"Origin": origin, **more} for origin in origins for more in ({}, {"Sec-Fetch-Site": "none"})]
    for headers in (*by_sender, *by_origin):
        answer = visitor.post("/opt-outs", {"everything": "1"}, headers=headers)
        assert answer.status_code == 403
        assert "Another website sent this; open the page here" in answer.text
        visitor.get("/photos")
    assert opt_outs(portal) == 0


def test_a_form_of_another_session_or_of_nobody_changes_nothing(portal: TestedPortal):
    ben = portal.member(BEN)
    bens_page, strangers_page = ben.get("/photos").text, portal.visitor().get("/lookup").text
    ada = portal.member(ADA)
    for page in (bens_page, strangers_page, ""):
        ada.page = page
        assert ada.post("/opt-outs", {"everything": "1"}).status_code in (303, 400)
    assert opt_outs(portal) == 0
