"""My photos as people meet it: over several pages, on a phone, enlarged, printed, by keyboard, in forced colours and in their own hour."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from models import Account
from rights.optouts import Photos, file_opt_outs
from tests.browser.conftest import Open, sign_in
from tests.support.lookups import picture_of
from tests.support.many_photos import MANY, import_many
from tests.support.pictures import photo_bytes
from tests.support.portals import ADA, TestedPortal, now

pytestmark = pytest.mark.browser
ALL = MANY + 6
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def many_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return import_many(tmp_path_factory.mktemp("many"), ADA)


@pytest.fixture
def two_pages(portal: TestedPortal, many_photos: Path) -> TestedPortal:
    portal.add_manifest(many_photos)
    return portal


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()
    page.wait_for_load_state()


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_selection_over_two_pages_and_a_filter(two_pages: TestedPortal, open_page: Open, scripts: bool):
    page = open_page(java_script_enabled=scripts)
    sign_in(page)
    boxes = page.locator("input[name=uid]")
    for number in range(2):
        boxes.nth(number).check()
    press(page, "Older →")
    expect(page.get_by_text("2 selected, 2 of them not on this page").first).to_be_visible()
    boxes.nth(0).check()
    page.get_by_text("Filter", exact=True).first.click()
    page.get_by_label("Caption has").fill("number 5")
    press(page, "Filter")
    expect(page.get_by_text(re.compile("^3 selected, [23] of them not on this page")).first).to_be_visible()
    press(page, f"Show all {ALL}")
    expect(boxes.nth(0)).to_be_checked()
    press(page, "Opt out…")
    expect(page.get_by_text("3 photos of yours")).to_be_visible()
    page.reload()
    expect(page.get_by_text("3 photos of yours")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_all_but_these_three(two_pages: TestedPortal, open_page: Open, scripts: bool):
    page = open_page(java_script_enabled=scripts)
    sign_in(page)
    press(page, f"Select all {ALL}")
    for number in range(3):
        page.locator("input[name=uid]").nth(number).uncheck()
    if scripts:
        expect(page.get_by_text(f"{ALL - 3} selected, 18 of them not on this page").first).to_be_visible()
    press(page, "Opt out…")
    expect(page.get_by_text(f"{ALL - 3} photos of yours")).to_be_visible()
    press(page, "Opt out")
    expect(page.get_by_text(f"{ALL - 3} photos, filed")).to_be_visible()


def test_ticks_are_kept_when_a_link_leads_away(two_pages: TestedPortal, open_page: Open):
    page = open_page()
    sign_in(page)
    page.locator("input[name=uid]").nth(1).check()
    page.locator(".cap a").first.click()
    page.get_by_role("link", name="My photos").first.click()
    expect(page.locator("input[name=uid]").nth(1)).to_be_checked()


def test_a_phones_first_screen_shows_photos(two_pages: TestedPortal, open_page: Open):
    page = open_page(viewport=PHONE)
    sign_in(page)
    first = page.locator(".film img").first.bounding_box()
    assert first is not None
    assert first["y"] + first["height"] <= PHONE["height"]
    bar = page.locator(".pick").bounding_box()
    assert bar is not None
    assert bar["height"] < 64, "one line"


@pytest.mark.parametrize(("width", "height"), [(320, 640), (320, 256)], ids=["320-px", "400-percent"])
def test_narrow_and_enlarged_pages_do_not_scroll_sideways_nor_hide_behind_a_bar(
    two_pages: TestedPortal, open_page: Open, width: int, height: int
):
    page = open_page(viewport={"width": width, "height": height})
    sign_in(page)
    page.locator("input[name=uid]").nth(0).check()
    assert page.evaluate("getComputedStyle(document.querySelector('.pick')).position") == ("sticky" if height > 512 else "static")
    press(page, "Opt out…")
    for path in (page.url, "/photos", "/requests"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_requests_are_cards_where_it_is_narrow(two_pages: TestedPortal, open_page: Open):
    page = open_page(viewport={"width": 320, "height": 640})
    sign_in(page)
    page.locator("input[name=uid]").nth(0).check()
    press(page, "Opt out…")
    page.get_by_label("In California").check()
    press(page, "Opt out")
    page.goto("/requests")
    expect(page.get_by_text("answer due by")).to_be_visible()
    cut = page.evaluate("[...document.querySelectorAll('.cards p')].filter(p => p.scrollWidth > p.clientWidth).length")
    assert cut == 0


def test_printing_shows_the_contact_sheet(two_pages: TestedPortal, open_page: Open):
    page = open_page()
    sign_in(page)
    page.emulate_media(media="print")
    expect(page.locator(".sheet .frame").first).to_be_visible()
    expect(page.locator(".sheet img").first).to_be_visible()
    expect(page.locator(".sheet .cap").first).to_be_visible()
    for hidden in ("nav", ".pick", ".choose", "input[type=checkbox]", "button"):
        expect(page.locator(hidden).first).to_be_hidden()
    assert len(page.pdf()) > 10_000


@pytest.mark.parametrize("media", [{"forced_colors": "active"}, {"media": "print"}], ids=["forced-colours", "print"])
def test_progress_is_seen_in_forced_colours_and_on_paper(open_page: Open, media: dict):
    page = open_page()
    page.goto("/")
    page.emulate_media(**media)
    bar = "document.querySelector('main').appendChild(document.createElement('progress'))"
    assert page.evaluate(f"getComputedStyle({bar}).appearance") == "auto"


def test_the_pages_are_a_few_tabs_away(two_pages: TestedPortal, open_page: Open):
    page = open_page()
    sign_in(page)
    for _ in range(25):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Skip these photos":
            break
    expect(page.get_by_role("link", name="Skip these photos")).to_be_focused()
    page.keyboard.press("Enter")
    names = []
    for _ in range(3):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent"))
    assert names[-1] in {"Older →", "2"} or "Older →" in names


def test_tiles_have_at_most_three_facts_and_two_lines_of_caption(portal: TestedPortal, open_page: Open):
    for name in ("Run 1", "Run 2", "Run 3"):
        portal.record_run(name, ["ada-0", "ada-1"])
    page = open_page(viewport=PHONE)
    sign_in(page)
    page.locator("input[name=uid][value=ada-1]").check()
    press(page, "Opt out…")
    press(page, "Opt out")
    portal.settle()
    portal.record_run("Run 4", ["ada-0"])
    page.goto("/photos")
    assert page.evaluate("Math.max(...[...document.querySelectorAll('.sheet .facts')].map(list => list.children.length))") <= 3
    expect(page.get_by_text("3 training runs trained on it")).to_be_visible()
    page.evaluate("document.querySelector('.cap a').textContent = 'many words '.repeat(60)")
    assert page.evaluate("document.querySelector('.cap').getBoundingClientRect().height") < 64


def test_a_message_above_the_visible_part_gets_the_focus(open_page: Open):
    page = open_page(viewport={"width": 1280, "height": 500})
    sign_in(page)
    press(page, "Opt out…")
    message = page.get_by_text("Choose at least one photo first.")
    expect(message).to_be_in_viewport()
    assert page.evaluate("document.activeElement.className") == "said problem"


def test_a_comment_counts_its_letters_and_is_never_cut(open_page: Open):
    page = open_page(expected="status of (4(04|29)|422) ")
    sign_in(page)
    page.goto("/opt-outs/check?uid=ada-1")
    page.get_by_text("Add a comment, if you like").click()
    comment = page.get_by_label("Comment")
    comment.fill("a" * 1990)
    expect(page.get_by_text("10 left.")).to_be_visible()
    comment.fill("a" * 2005)
    expect(page.get_by_text("5 too many.")).to_be_visible()
    press(page, "Opt out")
    expect(comment).to_be_focused()
    expect(comment).to_be_in_viewport()
    expect(comment).to_have_value("a" * 2005)
    comment.fill("a" * 2000)
    press(page, "Opt out")
    expect(page.get_by_role("heading", name="Your opt-out is filed")).to_be_visible()


def test_the_readers_own_hour_is_beside_utc(portal: TestedPortal, open_page: Open):
    page = open_page(timezone_id="Asia/Kolkata", locale="en-GB")
    sign_in(page)
    page.locator("input[name=uid]").nth(0).check()
    press(page, "Opt out…")
    press(page, "Opt out")
    time = page.locator("time[data-hour]").first
    expect(time).to_contain_text(re.compile(r"UTC \(.*:\d\d your time\)"))
    portal.settle()
    listed = page.locator("li", has_text="since version 1.").locator("time")
    expect(listed).to_contain_text("your time", timeout=10_000)
    utc = open_page(timezone_id="UTC")
    utc.goto("/exclusion-list")
    assert utc.get_by_text("your time").count() == 0


def test_photos_that_others_took_out_are_named_by_caption_for_all_to_see(portal: TestedPortal, open_page: Open):
    portal.member(ADA)
    with portal.workplace.writing.begin() as session:
        ada = session.scalars(select(Account)).one()
        file_opt_outs(session, portal.workplace.catalogues, ada, Photos((), (picture_of(photo_bytes("ben", 1)),)), now=now())
    portal.settle()
    page = open_page()
    sign_in(page, "Ben Lindqvist")
    notice = page.locator("p", has_text="taken out because someone else opted out a picture that looks the same")
    box = notice.bounding_box()
    assert box is not None
    assert box["width"] > 200
    assert box["height"] > 15
    assert notice.evaluate("one => getComputedStyle(one).clipPath") == "none"
    link = notice.get_by_role("link").first
    assert link.get_attribute("href").endswith("/photos/ben-1")
    assert "ben-1" not in link.inner_text()
    assert link.inner_text() in page.locator("ol.sheet").inner_text()


def test_a_time_within_a_sentence_is_on_its_line(portal: TestedPortal, open_page: Open):
    page = open_page()
    sign_in(page)
    page.locator("input[name=uid][value=ada-1]").check()
    press(page, "Opt out…")
    press(page, "Opt out")
    portal.settle()
    portal.record_run("Run 1", ["ben-0"])
    display = "one => getComputedStyle(one).display"
    assert page.locator("ol.time > li > time").first.evaluate(display) == "block"
    for path in (page.url, "/photos/ada-1"):
        page.goto(path)
        sentence = page.locator("ol.time p", has_text="It began then")
        assert sentence.locator("time").first.evaluate(display) == "inline"


def test_a_request_that_moves_says_so_in_its_heading_and_title(portal: TestedPortal, open_page: Open):
    page = open_page()
    sign_in(page)
    page.locator("input[name=uid]").nth(0).check()
    press(page, "Opt out…")
    press(page, "Opt out")
    expect(page.get_by_role("heading", name="Your opt-out is filed")).to_be_visible()
    portal.settle()
    expect(page.get_by_role("heading", name="Your opt-out is in the list")).to_be_visible(timeout=10_000)
    expect(page).to_have_title(re.compile("^Your opt-out is in the list"))
    expect(page.get_by_role("status").filter(has_text="Your opt-out is in the list")).to_have_count(1)


def test_nothing_that_is_out_looks_as_if_it_could_be_chosen_anew(portal: TestedPortal, open_page: Open):
    page = open_page()
    sign_in(page)
    page.locator("input[name=uid][value=ada-1]").check()
    press(page, "Opt out…")
    press(page, "Opt out")
    page.goto("/photos")
    background = "one => getComputedStyle(one).backgroundColor"
    out = page.locator("li.out .film").first.evaluate(background)
    assert out != page.locator("li:not(.out) .film").first.evaluate(background)
