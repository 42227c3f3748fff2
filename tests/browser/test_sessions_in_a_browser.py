"""Signing in and out as a browser sees it: nothing stays in the history, and what was chosen or looked up is not lost."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from models import WebSession
from tests.browser.conftest import EXPECTED, Open, sign_in
from tests.browser.test_lookup_in_a_browser import file, look_up
from tests.support.pictures import photo_bytes
from tests.support.portals import TestedPortal

pytestmark = pytest.mark.browser
UNAUTHORIZED = f"{EXPECTED}|status of 401 "


def shown(page: Page, name: str) -> None:
    """Kept for whoever wants to look, where DEMUR_SHOTS names a folder."""
    if folder := os.environ.get("DEMUR_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def lose_sessions(portal: TestedPortal) -> None:
    with portal.workplace.writing.begin() as session:
        for row in session.scalars(select(WebSession)):
            session.delete(row)


def test_after_signing_out_the_way_back_shows_no_photos(open_page: Open):
    page = open_page()
    sign_in(page)
    expect(page.locator("input[name=uid]").first).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    shown(page, "signed-out")
    page.go_back()
    page.go_back() if "/photos" not in page.url and "authorize" not in page.url else None
    expect(page.locator("input[name=uid]")).to_have_count(0)
    expect(page.get_by_text("Amara Okafor’s photos")).to_have_count(0)


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_lost_session_offers_to_go_on_and_the_selection_is_kept(portal: TestedPortal, open_page: Open, scripts: bool):
    page = open_page(expected=UNAUTHORIZED, java_script_enabled=scripts)
    sign_in(page)
    for number in range(2):
        page.locator("input[name=uid]").nth(number).check()
    lose_sessions(portal)
    page.get_by_role("button", name="Opt out…").first.click()
    expect(page.get_by_role("heading", name="You were signed out")).to_be_visible()
    shown(page, "signed-out-meanwhile")
    page.get_by_role("link", name="Sign in and go on").click()
    page.get_by_role("button", name="Amara Okafor").click()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    shown(page, "go-on")
    page.get_by_role("button", name="Go on with what I chose").click()
    expect(page.get_by_role("heading", name="Check your opt-out")).to_be_visible()
    expect(page.get_by_text("2 photos").first).to_be_visible()


def test_signing_in_keeps_what_was_looked_up(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    look_up(page, file("mine.jpg", photo_bytes("ada", 1)))
    expect(page.locator("ol.found .told .verdict").first).to_be_visible(timeout=60_000)
    page.locator("[data-next]").get_by_role("link", name="Sign in").click()
    page.get_by_role("button", name="Amara Okafor").click()
    page.wait_for_url("**/lookup")
    expect(page.locator("ol.found").get_by_text("mine.jpg").first).to_be_visible()
    expect(page.locator("ol.found .told .verdict").first).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Opt out what is ticked…")).to_be_visible()
    page.reload()
    expect(page.locator("ol.found > li")).to_have_count(0)


def test_after_signing_out_the_way_back_shows_no_answers(open_page: Open):
    page = open_page()
    sign_in(page)
    page.goto("/lookup")
    look_up(page, file("mine.jpg", photo_bytes("ada", 1)))
    expect(page.locator("ol.found .told .verdict").first).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    page.goto("/lookup")
    expect(page.locator("ol.found > li")).to_have_count(0)
    for _ in range(3):
        page.go_back()
        expect(page.locator("ol.found .told:visible")).to_have_count(0)


def test_linking_and_unlinking_is_explained(open_page: Open):
    page = open_page()
    sign_in(page)
    page.goto("/account")
    shown(page, "account")
    page.get_by_role("link", name="Link another sign-in").click()
    shown(page, "link-before")
    page.get_by_role("button", name="Sign in once more").click()
    page.get_by_role("button", name="Amara Okafor").click()
    page.get_by_role("button", name="Sign in with the other account").click()
    page.get_by_role("button", name="Hana Kim, on film").click()
    expect(page.get_by_text("Linked. The photos of both are now in one place.")).to_be_visible()
    page.get_by_role("link", name="Link or unlink a sign-in").click()
    shown(page, "link-confirmed")
    page.get_by_role("button", name="Unlink").click()
    expect(page.get_by_text("hana.on.film is no longer linked")).to_be_visible()
    shown(page, "account-after")
