"""axe's rules (WCAG 2.2 AA and good practice) in a real browser, on every page, light and dark, wide and narrow."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from sqlalchemy import select

from jobs.workplace import now
from models import Account, LogEntry
from rights.optouts import Photos, file_opt_outs
from tests.browser.conftest import Open, sign_in
from tests.factories import IdentityFactory
from tests.support.pictures import photo_bytes, png, textured_picture
from tests.support.portals import ADA, CLEO, TestedPortal
from tests.support.receipt_vectors import RECEIPTS

pytestmark = pytest.mark.browser
SMALLEST_TARGET = 24  # CSS pixels, WCAG 2.2 success criterion 2.5.8

STRANGERS = ("/", "/lookup", "/runs", "/exclusion-list", "/verify", "/auth/signed-out", "/nothing-here")
MEMBERS = (
    "/photos",
    "/photos?status=opted_out",
    "/photos?text=nothing",
    "/photos/ada-1",
    "/photos/ada-2",
    "/account",
    "/requests",
    "/opt-outs/check?uid=ada-1&uid=ada-2",
)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_no_page_breaks_a_rule(portal: TestedPortal, open_page: Open, scheme: str, width: int):
    run = portal.record_run("Run 1", ["ada-0", "ada-1", "ben-0"])
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    for path in (*STRANGERS, f"/runs/{run.public_id}"):
        visit(page, path)
    page.goto("/lookup")
    look_up(page)
    check(page, "the answers for a stranger")
    page.goto("/verify")
    check_receipts(page)
    check(page, "what holds and what does not")

    sign_in(page)
    page.goto("/lookup")
    look_up(page)
    check(page, "the answers for a member")
    page.goto("/photos")
    page.locator("input[name=uid][value=ada-1]").check()
    check(page, "a selection")
    page.get_by_role("button", name="Opt out…").first.click()
    check(page, "check your opt-out")
    page.get_by_role("button", name="Opt out").click()
    check(page, "filed")
    request = page.url
    portal.settle()
    portal.record_run("Run 2", ["ada-0"])
    for path in (*MEMBERS, "/opt-outs/everything", request, *receipts(portal)):
        visit(page, path)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_copies_of_a_request_and_photos_that_others_took_out_break_no_rule(portal: TestedPortal, open_page: Open, scheme: str, width: int):
    portal.member(ADA)
    with portal.workplace.writing.begin() as session:
        ada = session.scalars(select(Account)).one()
        ada.identities.append(IdentityFactory(owner=CLEO))
        session.flush()
        filing = file_opt_outs(session, portal.workplace.catalogues, ada, Photos(("ada-0",)), now=now())
    portal.settle()
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    page = open_page(**options)
    sign_in(page)
    visit(page, f"/requests/{filing.request.public_id}")
    expect(page.locator(".pair")).to_have_count(2)
    page = open_page(**options)
    sign_in(page, "Ben Lindqvist")
    visit(page, "/taken-out")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="That is mine: put back").click()
    check(page, "photos that are put back")


def look_up(page: Page) -> None:
    """One that is listed, one that is not, and one that this browser cannot read."""
    chosen = {"listed.jpg": photo_bytes("ada", 0), "other.png": png(textured_picture(seed=777)), "unread.heic": b"\0\0\0\x18ftypheic"}
    files = [{"name": name, "mimeType": "", "buffer": data} for name, data in chosen.items()]
    page.get_by_label("Choose pictures").set_input_files(files)
    page.get_by_role("button", name="Look up 3 pictures").click()
    expect(page.get_by_role("heading", name="1 of 2 found in a training list")).to_be_visible(timeout=20_000)


def check_receipts(page: Page) -> None:
    good = (RECEIPTS / "good" / "opt_out_filed.json").read_bytes()
    page.get_by_label("Keys of the log").fill((RECEIPTS / "log.vkey").read_text())
    chosen = {"good.json": good, "changed.json": good.replace(b'"leaf_index":0', b'"leaf_index":1')}
    page.locator("#file").set_input_files([{"name": name, "mimeType": "", "buffer": data} for name, data in chosen.items()])
    expect(page.get_by_role("heading", name="1 of 2 does not hold.")).to_be_visible()


def receipts(portal: TestedPortal) -> list[str]:
    with portal.workplace.reading() as session:
        return [f"/receipts/{entry.public_id}" for entry in session.scalars(select(LogEntry).order_by(LogEntry.id))]


def visit(page: Page, path: str) -> None:
    page.goto(path)
    check(page, path)


def check(page: Page, name: str) -> None:
    page.wait_for_load_state()  # not for an idle network: a thumbnail that is not made yet is asked for again and again
    result = Axe().run(page, options={"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}})
    assert result.violations_count == 0, f"{name}: {result.generate_report()}"
    assert page.title() not in ("", "– Demur")
    assert page.locator("h1").count() == 1, name
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"


def test_reads_from_right_to_left_without_scrolling_sideways(open_page: Open):
    page = open_page(viewport={"width": 390, "height": 800})
    sign_in(page)
    for path in ("/photos", "/photos/ada-1", "/", "/verify"):
        page.goto(path)
        page.evaluate("document.documentElement.dir = 'rtl'")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_everything_to_click_is_large_enough(open_page: Open):
    page = open_page(viewport={"width": 390, "height": 800})
    sign_in(page)
    small = page.evaluate(
        """smallest => [...document.querySelectorAll("input:not([type=hidden]), button, select, nav a, .cap a")]
            .map(one => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
            .filter(([_, box]) => box.width && (box.width < smallest || box.height < smallest))
            .map(([html]) => html)""",
        SMALLEST_TARGET,
    )
    assert small == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_scrolls_by_itself_takes_the_focus_and_has_a_name_of_its_own(portal: TestedPortal, open_page: Open, scheme: str):
    run = portal.record_run("Run 1", ["ada-0", "ada-1", "ben-0"])
    portal.settle()
    page = open_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
    sign_in(page)
    for path in ("/exclusion-list", "/evidence", "/verify", f"/runs/{run.public_id}", *receipts(portal)):
        visit(page, path)
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        check(page, path)
        assert undecided(page) == [], path
        scrolling = page.locator("main :is(pre, .scroll)")
        assert scrolling.evaluate_all("all => all.filter((one) => one.role !== 'region' || one.tabIndex !== 0 || !one.ariaLabel)") == []
        names = scrolling.evaluate_all("all => all.map((one) => one.ariaLabel)")
        assert len(names) == len(set(names)), path
        assert path == "/exclusion-list" or names, path


def undecided(page: Page) -> list[str]:
    """What axe leaves to a person, contrast over pictures aside."""
    found = Axe().run(page, options={"resultTypes": ["incomplete"]}).response["incomplete"]
    return [one["id"] for one in found if one["id"] != "color-contrast"]
