"""Opting out by pages: from the selection over the check to the reference number, and back."""

import io
import re

import pytest

from rights.list_versions import newest_version
from tests.support.pictures import jpeg, textured_picture
from tests.support.portals import ADA, BEN, TestedPortal, Visitor

REFERENCE = re.compile(r"DM-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}")


@pytest.fixture
def ada(portal: TestedPortal) -> Visitor:
    visitor = portal.member(ADA)
    visitor.get("/photos")
    return visitor


def follow(visitor: Visitor, answer) -> str:
    assert answer.status_code == 303
    return visitor.get(answer.location).text


def test_a_selection_is_checked_and_filed_with_a_reference(ada: Visitor, portal: TestedPortal):
    check = ada.post("/opt-outs/check", {"uid": ["ada-1", "ada-2"]})
    assert "2 photos" in check.text
    assert ada.hidden_fields()["uid"] == ["ada-1", "ada-2"]
    page = follow(ada, ada.post("/opt-outs", {"uid": ["ada-1", "ada-2"], "regime": "ccpa", "comment": "No <b>thanks</b>"}))
    assert REFERENCE.search(page)
    assert "Your opt-out is filed" in page
    assert "15 business days" in page
    assert "No &lt;b&gt;thanks&lt;/b&gt;" in page
    portal.settle()
    assert "In the <a" in ada.get(ada.get("/requests").text.split('href="/requests/')[1].split('"')[0].join(("/requests/", ""))).text


def test_nothing_chosen_goes_back_to_the_photos(ada: Visitor):
    assert "Choose at least one photo first" in follow(ada, ada.post("/opt-outs/check", {}))


def looked_up(visitor: Visitor, *pictures: bytes, names: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The fields that the answers of the lookup page bring, everything ticked."""
    visitor.get("/lookup")
    files = [(io.BytesIO(data), name) for data, name in zip(pictures, names, strict=True)]
    fields = {"csrf_token": visitor.hidden_fields()["csrf_token"][0], "picture": files}
    page = visitor.post("/lookup", data=fields, content_type="multipart/form-data").text
    return visitor.hidden_fields() | {"picture": re.findall('name="picture" value="([^"]+)"', page)}


def test_looked_up_pictures_are_listed_and_need_a_word_of_their_own(ada: Visitor):
    unlisted = [jpeg(textured_picture(seed=seed)) for seed in (777, 778)]
    fields = looked_up(ada, *unlisted, names=("me & you.jpg", "<b>beach.jpg"))
    check = ada.post("/opt-outs/check", fields).text
    assert "me &amp; you.jpg</span>" in check
    assert "&lt;b&gt;beach.jpg</span>" in check
    assert '<a href="/lookup" data-back>Change what I chose</a>' in check

    refused = ada.post("/opt-outs", ada.hidden_fields() | {"comment": "No thanks", "regime": "ccpa"})
    assert refused.status_code == 422
    assert "Please confirm that the pictures are yours, or show you." in refused.text
    assert "me &amp; you.jpg</span>" in refused.text
    assert "No thanks</textarea>" in refused.text
    assert 'value="ccpa" checked' in refused.text
    assert "You have not opted anything out" in ada.get("/requests").text

    ada.post("/opt-outs/check", fields)
    assert "2 pictures you looked up" in follow(ada, ada.post("/opt-outs", ada.hidden_fields() | {"mine": "1"}))


def test_a_photo_and_a_picture_are_told_apart(ada: Visitor):
    fields = looked_up(ada, jpeg(textured_picture(seed=777)), names=("beach.jpg",))
    page = follow(ada, ada.post("/opt-outs", fields | {"uid": "ada-1", "mine": "1"}))
    assert "1 photo and 1 picture you looked up" in page
    assert "more.</p>" not in page
    assert "<p>1 photo and 1 picture</p>" in ada.get("/requests").text


def test_nothing_ticked_goes_back_to_the_lookup(ada: Visitor):
    assert ada.post("/opt-outs/check", {"from": "lookup"}).location == "/lookup"


def test_filing_twice_says_so(ada: Visitor):
    ada.post("/opt-outs", {"uid": "ada-1"})
    assert "opted out already" in follow(ada, ada.post("/opt-outs", {"uid": "ada-1"}))
    assert "1 photo was out already and was left as it is." in follow(ada, ada.post("/opt-outs", {"uid": ["ada-1", "ada-2"]}))


def test_everything_now_and_later(ada: Visitor, portal: TestedPortal):
    assert "All your photos, now and later" in ada.get("/opt-outs/everything").text
    page = follow(ada, ada.post("/opt-outs", {"everything": "1"}))
    assert "All your photos, now and later" in page
    portal.settle()
    portal.record_run("Run 2", ["cleo-0"])
    assert "Run 2</a> did not use them." in ada.get(ada.get("/requests").text.split('class="mono" href="')[1].split('"')[0]).text
    one = ada.get("/photos/ada-5").text
    assert "You opted all your photos out." in one
    assert "Put this one back, keep the rest out" in one
    assert "Put back" in follow(ada, ada.post("/photos/ada-5/put-back"))
    portal.settle()
    page = ada.get("/photos/ada-5").text
    assert "You put this one back. The rest of your photos stays out." in page
    with portal.workplace.reading() as session:
        newest = newest_version(session)
    assert newest is not None
    assert f"No longer in the exclusion list since version {newest.version}." in page
    assert "Put this one back" in ada.get("/photos/ada-4").text


def test_withdrawing_is_one_click(ada: Visitor, portal: TestedPortal):
    address = ada.post("/opt-outs", {"uid": "ada-1"}).location
    portal.settle()
    ada.get(address)
    page = follow(ada, ada.post(f"{address}/withdraw"))
    assert "Withdrawn by you" in page
    assert "Withdraw this opt-out" not in page
    assert "Nothing of this request is in force any more" in follow(ada, ada.post(f"{address}/withdraw"))


def test_requests_of_others_are_not_there(ada: Visitor, portal: TestedPortal):
    address = ada.post("/opt-outs", {"uid": "ada-1"}).location
    ben = portal.member(BEN)
    ben.get("/photos")
    assert ben.get(address).status_code == 404
    ben.get("/photos")
    assert ben.post(f"{address}/withdraw").status_code == 404


def test_photos_of_others_cannot_be_filed(ada: Visitor):
    assert ada.post("/opt-outs/check", {"uid": "ben-0"}).status_code == 404
    ada.get("/photos")
    assert ada.post("/opt-outs", {"uid": ["ada-1", "ben-0"]}).status_code == 404
    assert "You have not opted anything out" in ada.get("/requests").text


def test_a_form_without_its_token_changes_nothing(ada: Visitor):
    ada.page = ""
    assert ada.post("/opt-outs", {"uid": "ada-1"}).status_code == 400
    assert "You have not opted anything out" in ada.get("/requests").text
