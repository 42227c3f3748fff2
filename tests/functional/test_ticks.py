"""What is ticked survives pages, filters, reloads and sign-ins, without a script; and what may be done with it."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from models import LogEntry, OptOut, OptOutScope, TickedPhotos
from portal.photos import PER_PAGE
from portal.security import FORM_PARTS
from rights.owned import owned_photos
from rights.photos import Album
from rights.platform_events import Event, EventKind, receive_event
from rights.standing import standing_opt_outs
from rights.ticks import LIFETIME
from tests.support.many_photos import MANY, import_many
from tests.support.portals import ADA, BEN, TestedPortal, Visitor, now

ALL = MANY + 6


@pytest.fixture(scope="session")
def many_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return import_many(tmp_path_factory.mktemp("many"), ADA)


@pytest.fixture
def ada(portal: TestedPortal, many_photos: Path) -> Visitor:
    """A member with two pages of photos, before the first of them."""
    portal.add_manifest(many_photos)
    visitor = portal.member(ADA)
    visitor.get("/photos")
    return visitor


def shown(page: str) -> list[str]:
    return re.findall('name="shown" value="([^"]+)"', page)


def ticked(page: str) -> set[str]:
    return set(re.findall('name="uid" value="([^"]+)"[^>]* checked', page))


def send(visitor: Visitor, then: str, uids: set[str] | list[str], **fields: str) -> str:
    """Presses a button of the grid with these boxes ticked, and follows where it leads; returns the page."""
    answer = visitor.post("/selection", visitor.hidden_fields() | {"then": then, "uid": list(uids)} | fields)
    assert answer.status_code == 303
    return visitor.get(answer.location, follow_redirects=True).text


def test_ticks_survive_going_from_page_to_page(ada: Visitor):
    first = shown(ada.page)
    assert len(first) == PER_PAGE
    second = send(ada, "page-2", first[:3])
    assert "3 selected, 3 of them not on this page" in second
    assert ticked(second) == set()
    back = send(ada, "page-1", shown(second)[:2])
    assert ticked(back) == set(first[:3])
    assert "5 selected, 2 of them not on this page" in back


def test_ticks_survive_filters(ada: Visitor):
    filtered = send(ada, "filter", ["ada-1"], text="number 7", status="any")
    assert shown(filtered) == ["many-7"]
    assert "1 selected, 1 of them not on this page" in filtered
    everything = send(ada, "show-all", ["many-7"])
    assert "2 selected" in everything


def test_a_filter_that_was_set_but_not_used_selects_nothing_else(ada: Visitor):
    page = send(ada, "all", [], text="number 7")
    assert f"{ALL} selected" in page


def test_all_but_three(ada: Visitor):
    page = send(ada, "all", [])
    assert f"{ALL} selected" in page
    assert ticked(page) == set(shown(page))
    second = send(ada, "page-2", set(shown(page)[2:]))
    check = send(ada, "opt-out", set(shown(second)[1:]))
    assert f"<b>{ALL - 3} photos</b> of yours" in check
    page = ada.get(ada.post("/opt-outs", ada.hidden_fields()).location).text
    assert f"{ALL - 3} photos" in page


def test_all_that_fit_a_filter(ada: Visitor, portal: TestedPortal):
    portal.record_run("Run 1", ["ada-0", "ada-4"])
    ada.get("/photos?status=in_run")
    send(ada, "all", [])
    assert "<b>2 photos</b> of yours" in send(ada, "opt-out", ["ada-0", "ada-4"])


def test_what_was_filed_is_no_longer_ticked(ada: Visitor):
    send(ada, "opt-out", ["ada-1", "ada-2"])
    ada.post("/opt-outs", ada.hidden_fields())
    assert "selected" not in ada.get("/photos").text.split("data-count")[1].split("</span>")[0]


def test_changing_what_i_chose_brings_the_ticks_back_without_scripts(ada: Visitor):
    check = send(ada, "opt-out", ["ada-1", "ada-2"])
    assert 'href="/photos" data-back>Change what I chose' in check
    assert ticked(ada.get("/photos?page=1").text) | ticked(ada.get("/photos?page=2").text) == {"ada-1", "ada-2"}


def test_a_reload_of_the_check_page_shows_it_again(ada: Visitor):
    send(ada, "opt-out", ["ada-1", "ada-2"])
    assert "<b>2 photos</b> of yours" in ada.get("/opt-outs/check?ticked=1").text


def test_the_check_pages_bare_address_leads_back_to_the_photos_with_words(ada: Visitor):
    answer = ada.get("/opt-outs/check")
    assert (answer.status_code, answer.location) == (303, "/photos")
    assert "Choose at least one photo first." in ada.get(answer.location).text


def test_other_photos_ticked_meanwhile_are_shown_before_they_are_filed(ada: Visitor):
    send(ada, "opt-out", ["ada-1"])
    fields = ada.hidden_fields()
    other = ada.get("/photos").text
    send(ada, "keep-nothing", [*ticked(other), "ada-2"])
    answer = ada.post("/opt-outs", fields)
    assert answer.status_code == 422
    assert "Other photos are chosen now than this page showed." in answer.text
    assert "<b>2 photos</b> of yours" in answer.text


def test_ticks_are_kept_for_the_member_alone_and_for_a_day(ada: Visitor, portal: TestedPortal):
    send(ada, "page-1", ["ada-1"])
    assert "selected" not in portal.member(BEN).get("/photos").text.split("data-count")[1].split("</span>")[0]
    assert "1 selected" in portal.member(ADA).get("/photos").text, "a new sign-in of hers"
    with portal.workplace.writing.begin() as session:
        kept = session.scalars(select(TickedPhotos)).one()
        kept.ticked_at -= LIFETIME + timedelta(seconds=1)
    assert "1 selected" not in ada.get("/photos").text


def test_what_is_not_the_members_own_cannot_be_ticked(ada: Visitor, portal: TestedPortal):
    send(ada, "page-1", ["ben-0", "nowhere", "ada-1"])
    with portal.workplace.reading() as session:
        assert session.scalars(select(TickedPhotos.uids)).one() == ["ada-1"]


def test_the_script_keeps_ticks_without_leaving_the_page(ada: Visitor):
    assert ada.post("/selection", ada.hidden_fields() | {"then": "keep", "uid": ["ada-1"]}).status_code == 204
    assert "1 selected" in ada.get("/photos").text


def test_photos_that_are_out_already_are_said_before_filing(ada: Visitor):
    ada.post("/opt-outs", {"uid": ["ada-1", "ada-2"]})
    ada.get("/photos")
    check = send(ada, "opt-out", ["ada-1", "ada-2", "ada-3"])
    assert "<b>1 photo</b> of yours, new" in check
    assert "2 photos are out already, and stay as they are." in check
    ada.get("/photos")
    nothing = send(ada, "opt-out", ["ada-1"])
    assert "There is nothing new to opt out." in nothing
    assert '<button class="btn red">' not in nothing


def test_many_photos_are_put_back_at_once(ada: Visitor, portal: TestedPortal):
    ada.post("/opt-outs", {"uid": ["ada-1", "ada-2", "ada-3"]})
    portal.settle()
    ada.get("/photos")
    check = send(ada, "put-back", ["ada-1", "ada-2", "ada-4"])
    assert "Put 2 photos back?" in check
    assert "The other 1 photo you chose is not opted out by you" in check
    page = ada.get(ada.post("/selection/put-back").location).text
    assert "2 photos put back." in page
    portal.settle()
    with portal.workplace.reading() as session:
        standing = session.scalars(select(OptOut.subject).where(OptOut.withdrawn_at.is_(None))).all()
    assert standing == ["ada-3"]
    ada.get("/photos")
    assert "there is nothing to put back" in send(ada, "put-back", ["ada-4"])


def test_some_are_put_back_while_everything_else_stays_out(ada: Visitor, portal: TestedPortal):
    ada.get("/opt-outs/everything")
    ada.post("/opt-outs", {"everything": "1"})
    portal.settle()
    page = ada.get("/photos").text
    assert "<b>All your photos are out</b>" in page
    assert "Withdraw it" in page
    assert "<b>All your photos are out</b>" in ada.get("/account").text
    assert ada.get("/opt-outs/everything").location == "/photos", "it stands already"
    ada.get("/photos")
    send(ada, "put-back", ["ada-1", "ada-2"])
    assert "but for 2 photos that you put back" in ada.get(ada.post("/selection/put-back").location).text
    portal.settle()
    with portal.workplace.reading() as session:
        assert session.scalars(select(OptOut)).one().scope is OptOutScope.OWNER
    assert "2 photos that you put back" in ada.get("/opt-outs/everything").text
    ada.post("/opt-outs", {"everything": "1"})
    assert "but for" not in ada.get("/photos").text


def test_a_deleted_photo_says_so_and_offers_nothing(ada: Visitor, portal: TestedPortal):
    with portal.workplace.writing.begin() as session:
        receive_event(session, Event("e1", EventKind.PHOTO_DELETED, ADA, "ada-3", now()), now())
    page = ada.get("/photos/ada-3").text
    assert re.search("You deleted it on <time[^>]*>", page)
    assert "Public." not in page
    assert "<img" not in page
    assert "Opt out…" not in page
    grids = ada.get("/photos").text + ada.get("/photos?page=2").text
    assert "You deleted it" in grids
    assert 'value="ada-3"' not in grids
    assert "1 photo you deleted, so it is out already." in ada.post("/opt-outs/check", {"uid": ["ada-3", "ada-4"]}).text


def as_multipart(fields: list[tuple[str, str]]) -> tuple[bytes, str]:
    parts = "".join(f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields)
    return f"{parts}--edge--\r\n".encode(), "multipart/form-data; boundary=edge"


def as_urlencoded(fields: list[tuple[str, str]]) -> tuple[bytes, str]:
    return urlencode(fields).encode(), "application/x-www-form-urlencoded"


@pytest.mark.parametrize("encoded", [as_multipart, as_urlencoded])
@pytest.mark.parametrize("count", [1001, 5000])
def test_a_form_of_thousands_of_check_boxes_is_read(ada: Visitor, encoded: Callable, count: int):
    token = ada.hidden_fields()["csrf_token"][0]
    body, kind = encoded([("csrf_token", token), ("then", "opt-out"), *(("uid", f"many-{number}") for number in range(count))])
    answer = ada.post("/selection", data=body, content_type=kind)
    assert answer.status_code == 303
    assert f"<b>{MANY} photos</b> of yours" in ada.get(answer.location).text


@pytest.mark.parametrize("encoded", [as_multipart, as_urlencoded])
@pytest.mark.parametrize("count", [1001, 5000])
def test_thousands_of_check_boxes_are_checked_and_filed(ada: Visitor, encoded: Callable, count: int):
    """Of fewer photos than boxes: what matters is how many fields a form has."""
    token = ada.hidden_fields()["csrf_token"][0]
    body, kind = encoded([("csrf_token", token), *(("uid", f"many-{number % MANY}") for number in range(count))])
    checked = ada.post("/opt-outs/check", data=body, content_type=kind)
    assert (checked.status_code, f"<b>{MANY} photos</b> of yours" in checked.text) == (200, True)
    filed = ada.post("/opt-outs", data=body, content_type=kind)
    assert (filed.status_code, filed.location.startswith("/requests/")) == (303, True)


def test_a_form_of_more_parts_than_any_page_has_is_refused(ada: Visitor):
    body, kind = as_multipart([("uid", str(number)) for number in range(FORM_PARTS + 1)])
    assert ada.post("/selection", data=body, content_type=kind).status_code == 413


def test_a_page_asks_runs_about_its_own_photos_alone(ada: Visitor, portal: TestedPortal):
    """48 of a member's photos are asked of each run, however many they have; unless a filter asks about all."""
    run = portal.record_run("Run 1", ["ada-0", "many-3"])
    with portal.workplace.reading() as session:
        owned = owned_photos(session, portal.workplace.catalogues, [ADA])
        album = Album(owned, [run], portal.workplace.runs, standing_opt_outs(session, [ADA]), session)
        photos = album.photos(range(5))
    assert "consumed" not in vars(album), "nobody asked about all of them"
    assert [bool(photo.runs) for photo in photos] == [photo.uid == "ada-0" for photo in photos]


def test_a_receipt_shows_its_photos_to_their_owner_alone(ada: Visitor, portal: TestedPortal):
    ada.post("/opt-outs", {"uid": ["ada-1", "ada-2"]})
    portal.settle()
    with portal.workplace.reading() as session:
        address = f"/receipts/{session.scalars(select(LogEntry.public_id)).first()}"
    own = ada.get(address).text
    assert own.count('/thumbnail"') >= 2
    assert "patches number 1" in own
    assert "Sign out" in own
    for other in (portal.visitor(), portal.member(BEN)):
        page = other.get(address).text
        assert '/thumbnail"' not in page
        assert "patches number 1" not in page


def test_requests_say_by_when_they_are_answered(ada: Visitor):
    ada.post("/opt-outs", {"uid": ["ada-1"], "regime": "gdpr"})
    assert re.search("answer due by <time", ada.get("/requests").text)


def test_a_comment_that_is_too_long_is_said_so_and_not_cut(ada: Visitor):
    ada.post("/opt-outs/check", {"uid": "ada-1"})
    answer = ada.post("/opt-outs", {"uid": "ada-1", "comment": "é" * 2001, "regime": "swiss_fadp"})
    assert answer.status_code == 422
    assert "Your comment has 2,001 letters; 2,000 fit." in answer.text
    assert "é" * 2001 in answer.text
    assert 'value="swiss_fadp" checked' in answer.text
    ada.post("/opt-outs", {"uid": "ada-1", "comment": "line\r\n" * 400})
    assert "You have not opted anything out" not in ada.get("/requests").text, "a line end counts once, as on the page"


def test_no_law_is_chosen_for_a_person(ada: Visitor):
    check = ada.post("/opt-outs/check", {"uid": "ada-1"}).text
    assert "Where do you live?" in check
    assert " checked" not in check
    for words in ("Article 21 UK GDPR", "Article 30 of the Data Protection Act", "15 business days"):
        assert words in check
    assert "promise" in ada.get(ada.post("/opt-outs", {"uid": "ada-1"}).location).text


def test_putting_back_is_offered_only_where_something_is_out(ada: Visitor):
    assert "Put back…" not in send(ada, "all", [])
    ada.post("/opt-outs", {"uid": "ada-1"})
    ada.get("/photos")
    send(ada, "all", [])
    pages = [ada.get(f"/photos?page={number}").text for number in (1, 2)]
    assert all("Put back…" in page for page in pages)
