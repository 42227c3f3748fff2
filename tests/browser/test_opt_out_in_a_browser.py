"""The whole way of a member, with scripts and without: front page, sign-in, selection, check, confirmation, history."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, sign_in
from tests.support.portals import TestedPortal

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_front_page_to_history(portal: TestedPortal, open_page: Open, scripts: bool):
    portal.record_run("Run 1", [f"ada-{n}" for n in range(6)])
    page = open_page(java_script_enabled=scripts)
    page.goto("/")
    page.get_by_role("link", name="Sign in and see my photos").click()
    page.get_by_role("button", name="Amara Okafor").click()
    expect(page).to_have_url(re.compile("/photos$"))

    page.locator("input[name=uid]").nth(0).check()
    page.locator("label.film").nth(1).click()
    if scripts:
        expect(page.get_by_text("2 selected").first).to_be_visible()
    page.get_by_role("button", name="Opt out…").first.click()
    expect(page.get_by_role("heading", name="Check your opt-out")).to_be_visible()
    page.get_by_role("button", name="Opt out").click()

    expect(page.get_by_role("heading", name="Your opt-out is filed")).to_be_visible()
    expect(page.get_by_text(re.compile("^DM-"))).to_be_visible()
    portal.settle()
    if not scripts:
        page.reload()
    expect(page.get_by_text("In the exclusion list since version 1.")).to_be_visible(timeout=10_000)
    portal.record_run("Run 2", ["ada-0"])

    page.get_by_role("list").locator("a.film").first.click()
    history = page.locator("ol.time > li")
    expect(history.filter(has_text="Run 1 trained on it.")).to_be_visible()
    expect(history.filter(has_text="In the exclusion list since version 1.")).to_be_visible()
    expect(history.filter(has_text="Run 2 did not use it.")).to_contain_text("yours: absent")


def test_select_all_ticks_and_counts_and_sends_all(open_page: Open):
    page = open_page()
    sign_in(page)
    page.get_by_role("button", name="Select all 6").click()
    expect(page.get_by_text("6 selected").first).to_be_visible()
    page.locator("input[name=uid]").nth(2).uncheck()
    expect(page.get_by_text("5 selected").first).to_be_visible()
    page.get_by_role("button", name="Select all 6").click()
    page.get_by_role("button", name="Opt out…").first.click()
    expect(page.get_by_text("6 photos").first).to_be_visible()


def test_signing_out_ends_at_the_provider_and_comes_back(open_page: Open):
    page = open_page()
    sign_in(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    page.goto("/photos")
    expect(page.get_by_role("heading", name="Who are you today?")).to_be_visible()


def test_the_keyboard_reaches_everything_in_order(open_page: Open):
    page = open_page()
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Sign in and see my photos")).to_be_focused()
