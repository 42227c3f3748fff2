"""Signing in as a browser does: portal and provider on one host over real HTTP, so that each sees the other's cookies."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
import requests
from sqlalchemy import select

from demo.visitor import Visitor
from models import Account, Identity
from supervisor.checks import address_of
from tests.support.portals import TestedPortal, serving

Visitors = Callable[[], Visitor]


@pytest.fixture
def visitors(portal: TestedPortal) -> Iterator[Visitors]:
    """Makes browsers for the served portal."""
    _, port = address_of(portal.config.base_url)
    with serving(portal.app, port), ExitStack() as undo:
        yield lambda: undo.enter_context(closing(Visitor(portal.config.base_url)))


def accounts(portal: TestedPortal) -> list[tuple[str, ...]]:
    """The owners of each account."""
    with portal.workplace.reading() as session:
        return [account.owners for account in session.scalars(select(Account).order_by(Account.id))]


def test_a_member_signs_in_links_a_second_identity_and_sees_the_photos_of_both(portal: TestedPortal, visitors: Visitors) -> None:
    visitor = visitors()
    visitor.sign_in("amara.okafor")
    before = visitor.choices()
    assert before
    assert "Linked" in visitor.link("amara.okafor", "hana.kim")
    assert accounts(portal) == [("amara.okafor", "hana.kim")]
    other = visitors()
    other.sign_in("hana.kim")
    assert other.choices() == before
    assert accounts(portal) == [("amara.okafor", "hana.kim")]


def test_signing_out_ends_the_session_here_and_at_the_provider(portal: TestedPortal, visitors: Visitors) -> None:
    visitor = visitors()
    visitor.sign_in("amara.okafor")
    visitor.sign_out()
    assert visitor.page.url.startswith(f"{portal.config.base_url}/auth/signed-out")
    picker = visitor.visit("/account")
    assert visitor.page.url.startswith(portal.config.oidc_issuer)
    assert "signed in here" not in picker


def test_many_first_sign_ins_at_once_make_one_account(portal: TestedPortal, visitors: Visitors) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda visitor: visitor.sign_in("ben.lindqvist"), [visitors() for _ in range(4)]))
    assert accounts(portal) == [("ben.lindqvist",)]


def test_the_way_back_never_leads_elsewhere(portal: TestedPortal, visitors: Visitors) -> None:
    visitors()
    with requests.Session() as browser:
        picker = browser.get(f"{portal.config.base_url}/auth/sign-in", params={"next": "//elsewhere.example/"}, timeout=30)
        landed = browser.post(picker.url, data={"member": "amara.okafor"}, timeout=30)
    assert landed.url == f"{portal.config.base_url}/photos"


def test_people_are_kept_by_issuer_and_subject(portal: TestedPortal, visitors: Visitors) -> None:
    visitors().sign_in("amara.okafor")
    with portal.workplace.reading() as session:
        identity = session.scalars(select(Identity)).one()
    assert (identity.iss, identity.sub, identity.owner) == (portal.config.oidc_issuer, "amara.okafor", "amara.okafor")
