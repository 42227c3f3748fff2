"""Signing in, linking and signing out over real HTTP, with the demo provider at the other end."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from demo.visitor import Lost, Visitor
from models import Account, Identity
from tests.support.web import Web, web


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Web]:
    with web(tmp_path, database_url) as running:
        yield running


@pytest.fixture
def visitor(site: Web) -> Iterator[Visitor]:
    visitor = site.visitor()
    yield visitor
    visitor.close()


def accounts(engine: Engine) -> list[tuple[str, tuple[str, ...]]]:
    with Session(engine) as session:
        return [(account.display_name, account.owners) for account in session.scalars(select(Account).order_by(Account.id))]


def signed_in(visitor: Visitor) -> bool:
    return "/photos" in visitor.page.url and bool(visitor.visit("/account"))


def test_the_first_sign_in_makes_an_account_and_the_next_finds_it(site: Web, visitor: Visitor, engine: Engine) -> None:
    visitor.sign_in("amara.okafor")
    assert signed_in(visitor)
    again = site.visitor()
    again.sign_in("amara.okafor")
    again.close()
    assert accounts(engine) == [("Amara Okafor", ("amara.okafor",))]


def test_many_first_sign_ins_at_once_make_one_account(site: Web, engine: Engine) -> None:
    visitors = [site.visitor() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda visitor: visitor.sign_in("ben.lindqvist"), visitors))
    for visitor in visitors:
        visitor.close()
    assert accounts(engine) == [("Ben Lindqvist", ("ben.lindqvist",))]


def test_signing_in_leads_back_to_the_page_that_was_asked_for(visitor: Visitor) -> None:
    visitor.visit("/requests")
    visitor.pick("amara.okafor", visitor.page)
    assert visitor.page.url.endswith("/requests")


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example/"])
def test_signing_in_never_leads_elsewhere(site: Web, visitor: Visitor, elsewhere: str) -> None:
    with requests.Session() as browser:
        picker = browser.get(f"{site.config.base_url}/auth/sign-in", params={"next": elsewhere})
        assert picker.url.startswith(site.config.oidc_issuer)
        landed = browser.post(picker.url, data={"member": "amara.okafor"})
    assert landed.url == f"{site.config.base_url}/photos"


def test_a_second_identity_is_linked_to_the_same_account(visitor: Visitor, engine: Engine) -> None:
    visitor.sign_in("hana.kim")
    assert "Linked" in visitor.link("hana.on.film")
    assert accounts(engine) == [("Hana Kim", ("hana.kim", "hana.on.film"))]
    visitor.sign_out()
    visitor.sign_in("hana.on.film")
    assert [owners for _, owners in accounts(engine)] == [("hana.kim", "hana.on.film")]


def test_an_identity_that_has_an_account_cannot_be_linked_to_another(site: Web, visitor: Visitor, engine: Engine) -> None:
    other = site.visitor()
    other.sign_in("amara.okafor")
    other.close()
    visitor.sign_in("ben.lindqvist")
    assert "Linked" not in visitor.link("amara.okafor")
    assert accounts(engine) == [("Amara Okafor", ("amara.okafor",)), ("Ben Lindqvist", ("ben.lindqvist",))]


def test_signing_out_ends_both_sessions(site: Web, visitor: Visitor) -> None:
    visitor.sign_in("amara.okafor")
    visitor.sign_out()
    assert visitor.page.url.startswith(f"{site.config.base_url}/auth/signed-out")
    picker = visitor.visit("/account")
    assert visitor.page.url.startswith(site.config.oidc_issuer)
    assert "signed in here" not in picker


def test_signing_in_changes_the_session_cookie(site: Web) -> None:
    with requests.Session() as browser:
        picker = browser.get(f"{site.config.base_url}/auth/sign-in")
        before = {cookie.name: cookie.value for cookie in browser.cookies}
        browser.post(picker.url, data={"member": "amara.okafor"})
        after = {cookie.name: cookie.value for cookie in browser.cookies}
    kept = {name for name in before if before[name] == after.get(name)}
    assert before
    assert not kept


def test_a_callback_that_this_browser_did_not_start_is_refused(site: Web, engine: Engine) -> None:
    with requests.Session() as attacker, requests.Session() as victim:
        picker = attacker.get(f"{site.config.base_url}/auth/sign-in")
        callback = attacker.post(picker.url, data={"member": "amara.okafor"}, allow_redirects=False).headers["Location"]
        assert victim.get(callback).status_code == 400
        assert victim.get(f"{site.config.base_url}/photos", allow_redirects=False).status_code == 302
    assert accounts(engine) == []


def test_a_callback_works_once(site: Web) -> None:
    with requests.Session() as browser:
        picker = browser.get(f"{site.config.base_url}/auth/sign-in")
        callback = browser.post(picker.url, data={"member": "amara.okafor"}, allow_redirects=False).headers["Location"]
        assert browser.get(callback).ok
        assert browser.get(callback).status_code == 400


def test_a_provider_that_is_down_is_said_so_and_the_rest_works(site: Web, visitor: Visitor) -> None:
    site.provider_server.shutdown()
    site.provider_server.server_close()
    with pytest.raises(Lost):
        visitor.sign_in("amara.okafor")
    answer = requests.get(f"{site.config.base_url}/auth/sign-in", timeout=30)
    assert answer.status_code == 503
    assert "Traceback" not in answer.text
    assert visitor.visit("/")


def test_identities_are_kept_by_issuer_and_subject(site: Web, visitor: Visitor, engine: Engine) -> None:
    visitor.sign_in("amara.okafor")
    with Session(engine) as session:
        identity = session.scalars(select(Identity)).one()
    assert (identity.iss, identity.sub, identity.owner) == (site.config.oidc_issuer, "amara.okafor", "amara.okafor")
