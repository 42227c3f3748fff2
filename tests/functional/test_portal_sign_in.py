"""Signing in and out over a real OpenID provider, and what a forged or broken answer comes to."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select

from models import Account, Identity, WebSession
from portal.auth.next_page import local_path
from tests.support.portals import ADA, BEN, TestedPortal


def accounts(portal: TestedPortal) -> int:
    with portal.workplace.reading() as session:
        return session.scalar(select(func.count(Account.id))) or 0


def test_a_member_signs_in_and_out(portal: TestedPortal):
    visitor = portal.visitor()
    answer = visitor.sign_in(ADA)
    assert (answer.status_code, answer.location) == (302, "/photos")
    assert "Amara Okafor" in visitor.get("/").text

    leaving = visitor.post("/auth/sign-out")
    assert leaving.location.startswith(portal.config.oidc_issuer)
    assert "id_token_hint=" in leaving.location
    assert visitor.get("/photos").status_code == 302
    assert "You are signed out" in visitor.get("/auth/signed-out").text


def test_the_request_to_the_provider_has_pkce_nonce_and_state(portal: TestedPortal):
    asked = parse_qs(urlsplit(portal.visitor().get("/auth/sign-in").location).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"code_challenge", "nonce", "state"} <= asked.keys()
    assert asked["response_type"] == ["code"]


def test_signing_in_leads_back_to_the_page_asked_for(portal: TestedPortal):
    visitor = portal.visitor()
    sent = visitor.get("/photos?status=in_run")
    assert visitor.sign_in(ADA, sent.location).location == "/photos?status=in_run"


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)", "photos", "", None]
)
def test_next_leads_nowhere_else(wanted: str | None):
    assert local_path(wanted, "/photos") == "/photos"


def test_signing_in_twice_is_one_account(portal: TestedPortal):
    portal.member(ADA)
    portal.member(ADA)
    assert accounts(portal) == 1


def test_the_session_id_changes_at_sign_in_and_the_old_one_is_dead(portal: TestedPortal):
    visitor = portal.visitor()
    visitor.get("/auth/sign-in")
    before = visitor.client.get_cookie("demur")
    visitor.sign_in(ADA)
    after = visitor.client.get_cookie("demur")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    stranger = portal.visitor()
    stranger.client.set_cookie("demur", before.value)
    assert stranger.get("/photos").status_code == 302


def test_a_cookie_nobody_was_given_is_not_adopted(portal: TestedPortal):
    visitor = portal.visitor()
    visitor.client.set_cookie("demur", "planted")
    visitor.sign_in(ADA)
    cookie = visitor.client.get_cookie("demur")
    assert cookie is not None
    assert cookie.value != "planted"


def test_the_database_holds_no_session_id(portal: TestedPortal):
    visitor = portal.member(ADA)
    cookie = visitor.client.get_cookie("demur")
    assert cookie is not None
    assert len(cookie.value) >= 43
    assert cookie.http_only
    with portal.workplace.reading() as session:
        assert cookie.value not in session.scalars(select(WebSession.digest)).all()


def test_a_session_that_was_signed_out_elsewhere_stays_out(portal: TestedPortal):
    visitor = portal.member(ADA)
    cookie = visitor.client.get_cookie("demur")
    assert cookie is not None
    visitor.get("/photos")
    visitor.post("/auth/sign-out")
    late = portal.visitor()
    late.client.set_cookie("demur", cookie.value)
    assert late.get("/photos").status_code == 302


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(portal: TestedPortal):
    answer = portal.visitor().picked(ADA)
    victim = portal.visitor()
    assert victim.get(answer).status_code == 400
    assert accounts(portal) == 0


def test_an_answer_works_once(portal: TestedPortal):
    visitor = portal.visitor()
    answer = visitor.picked(ADA)
    assert visitor.get(answer).status_code == 302
    assert visitor.get(answer).status_code == 400


def test_a_refusal_by_the_provider_is_told_plainly(portal: TestedPortal):
    visitor = portal.visitor()
    state = parse_qs(urlsplit(visitor.get("/auth/sign-in").location).query)["state"][0]
    answer = visitor.get(f"/auth/callback?error=access_denied&state={state}")
    assert answer.status_code == 400
    assert "Signing in did not work" in answer.text


def test_a_dead_provider_is_a_page_and_the_rest_goes_on(portal_without_provider: TestedPortal):
    visitor = portal_without_provider.visitor()
    answer = visitor.get("/auth/sign-in")
    assert answer.status_code == 503
    assert "Signing in is not possible right now" in answer.text
    assert answer.headers["Retry-After"]
    assert visitor.get("/").status_code == 200
    assert visitor.get("/lookup").status_code == 200


def test_linking_adds_an_identity_and_its_photos(portal: TestedPortal):
    visitor = portal.member(ADA)
    assert visitor.link(ADA, "hana.kim").location == "/account"
    assert "hana.kim" in visitor.get("/account").text
    assert accounts(portal) == 1
    other = portal.member("hana.kim")
    assert ADA in other.get("/account").text
    assert accounts(portal) == 1


def test_a_sign_in_that_is_in_use_or_linked_before_is_named_as_such(portal: TestedPortal):
    visitor = portal.member(ADA)
    assert visitor.link(ADA, ADA).location == "/account"
    page = visitor.get("/account").text
    assert "That is the sign-in you already use" in page
    assert "Linked." not in page
    visitor.link(ADA, "hana.kim")
    assert "Linked." in visitor.get("/account").text
    visitor.link(ADA, "hana.kim")
    page = visitor.get("/account").text
    assert "hana.kim was linked before" in page
    assert "Linked." not in page


def test_an_identity_of_someone_else_is_not_linked_and_the_page_says_what_to_do(portal: TestedPortal):
    portal.member(BEN)
    visitor = portal.member(ADA)
    answer = visitor.link(ADA, BEN)
    assert answer.status_code == 409
    assert "Not linked: Ben Lindqvist has an account here" in answer.text
    assert "Sign in as ben.lindqvist" in answer.text
    assert f"<b>{BEN}</b>" not in visitor.get("/account").text
    assert accounts(portal) == 2


def test_linking_needs_the_person_who_asked(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/account/link")
    visitor.sign_in(ADA, "/account/confirm")
    visitor.get("/account/link")
    answer = visitor.picked("hana.kim", "/account/link")
    visitor.post("/auth/sign-out")
    assert visitor.get(answer).status_code == 400
    assert accounts(portal) == 1


def test_linking_asks_for_a_fresh_sign_in_first(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/account/link")
    assert visitor.post("/account/link").location == "/account/link"
    assert "Please confirm first that it is you" in visitor.get("/account/link").text
    asked = parse_qs(urlsplit(visitor.post("/account/confirm").location).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])


def test_nobody_else_confirms_for_the_one_who_is_signed_in(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/account/link")
    visitor.sign_in(BEN, "/account/confirm")
    assert "as someone else" in visitor.get("/account/link").text
    assert "Sign in once more" in visitor.page
    assert accounts(portal) == 1


def test_a_linked_sign_in_renames_nobody_and_takes_no_address_over(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.link(ADA, "hana.kim")
    portal.member("hana.kim")
    page = visitor.get("/account").text
    assert "<h1>Amara Okafor</h1>" in page
    assert "Hana Kim" not in page


def test_a_link_can_be_undone_and_its_sessions_end(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.link(ADA, "hana.kim")
    other = portal.member("hana.kim")
    address = re.search(r'action="(/account/identities/\d+/unlink)"', visitor.get("/account/link").text)
    assert address is not None
    visitor.post(address[1])
    assert "hana.kim is no longer linked" in visitor.get("/account").text
    assert other.get("/photos").status_code == 302
    portal.member("hana.kim")
    assert accounts(portal) == 2


def test_the_last_sign_in_and_the_one_in_use_cannot_be_unlinked(portal: TestedPortal):
    visitor = portal.member(ADA)
    with portal.workplace.reading() as session:
        first = session.scalar(select(Identity.id))
    visitor.get("/account/link")
    visitor.sign_in(ADA, "/account/confirm")
    visitor.get("/account/link")
    visitor.post(f"/account/identities/{first}/unlink")
    assert "This is your only sign-in" in visitor.get("/account").text
    visitor.get("/account/link")
    visitor.sign_in("hana.kim", "/account/link")
    visitor.get("/account/link")
    visitor.post(f"/account/identities/{first}/unlink")
    assert "You are signed in with this one" in visitor.get("/account").text


def test_the_account_page_names_the_operator_not_a_host(portal: TestedPortal):
    page = portal.member(ADA).get("/account").text
    assert f"<dt>{portal.config.operator_name}</dt>" in page
    assert "127.0.0.1" not in page
