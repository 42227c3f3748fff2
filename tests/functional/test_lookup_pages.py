"""Looking up pictures: what strangers and owners learn, and that nothing of it is kept."""

import io
import json
import re
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from itsdangerous import TimestampSigner
from PIL import Image
from sqlalchemy import select
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse, encode_multipart

from demur.similarity.fingerprint import FINGERPRINT_VERSION
from models import Account
from portal.selection import PICTURE_LIFETIME_S, _signer
from tests.support.lookups import fingerprint_of
from tests.support.pictures import jpeg, photo_bytes, textured_picture
from tests.support.portals import ADA, CLEO, TestedPortal, Visitor, portal_for_tests


def look_up(visitor: Visitor, *pictures: bytes, **fields: str) -> TestResponse:
    """Sends the form of the lookup page, without scripts."""
    visitor.get("/lookup")
    token = visitor.hidden_fields()["csrf_token"][0]
    files = [("picture", FileStorage(io.BytesIO(data), f"picture-{number}.jpg")) for number, data in enumerate(pictures)]
    # Encoded here: the test client itself would spool a large form to a file.
    boundary, body = encode_multipart(MultiDict([("csrf_token", token), *fields.items(), *files]))
    return visitor.post("/lookup", data=body, content_type=f"multipart/form-data; boundary={boundary}")


def ask(visitor: Visitor, sent: dict[str, Any]) -> TestResponse:
    """Sends a fingerprint, as the page's script does."""
    return look_up(visitor, fingerprint=json.dumps(sent), part="1")


def main_of(page: str) -> str:
    return page.split('<main id="main"')[1].split("</main>")[0]


def shape_of(page: str) -> list[str]:
    """The tags of a page, but for what a script counts."""
    return [part.split(">")[0].replace('data-found="1"', 'data-found="0"') for part in page.split("<")[1:]]


def boxes(page: str, name: str) -> dict[str, bool]:
    """Values of the check boxes of this name, and whether each is ticked."""
    found = re.findall(rf'<input type="checkbox" name="{name}" value="([^"]+)"( checked)?>', page)
    return {value: bool(ticked) for value, ticked in found}


def without_tokens(page: str) -> str:
    """Nor the fields that are named after them: a file's name comes with a file alone."""
    return re.sub('name="(picture|name-[^"]+)" value="[^"]*"', "", page)


def headers_of(answer: TestResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name != "Date"}


def test_a_stranger_learns_yes_or_no_and_nothing_else(portal: TestedPortal):
    visitor = portal.visitor()
    yes, no = look_up(visitor, photo_bytes("ada", 0)), look_up(visitor, jpeg(textured_picture(seed=777)))
    assert "Yes, it is in a training list." in yes.text
    assert "We found no match." in no.text
    for page in (yes.text, no.text):
        assert "ada" not in main_of(page).lower().replace("manifest", "")
        assert "generated" not in main_of(page)


@pytest.mark.parametrize("name", [None, ADA], ids=["a stranger", "a member"])
def test_a_search_that_finds_nothing_is_told_as_no_match_with_what_cannot_be_found(portal: TestedPortal, name: str | None):
    visitor = portal.member(name) if name else portal.visitor()
    page = main_of(look_up(visitor, jpeg(textured_picture(seed=777))).text)
    assert "We found no match." in page
    assert "We cannot find larger crops, screenshots or collages: try the whole picture, or crop the screenshot to it." in page
    assert "No, " not in page


@pytest.mark.parametrize("size", [(320, 240), (1, 1)])
@pytest.mark.parametrize("name", [None, ADA], ids=["a stranger", "a member"])
def test_of_a_picture_too_plain_to_compare_only_the_very_same_file_is_promised(
    portal: TestedPortal, name: str | None, size: tuple[int, int]
):
    visitor = portal.member(name) if name else portal.visitor()
    plain = jpeg(Image.new("RGB", size, "white"))
    for page in (look_up(visitor, plain).text, ask(visitor, fingerprint_of(plain)).text):
        assert "This picture is too plain to compare; only the very same file can be found." in page
        assert "We did not find this very file." in page
        assert "We found no match." not in page
        assert "crop" not in page.lower()
    assert "Of a very plain picture, only the very same file is found." in visitor.get("/lookup").text


@pytest.mark.parametrize("name", [None, ADA], ids=["a stranger", "a member"])
def test_before_any_training_list_is_here_a_lookup_says_so(tmp_path: Path, database_url: str, name: str | None):
    with portal_for_tests(tmp_path, database_url, None) as empty:
        visitor = empty.member(name) if name else empty.visitor()
        page = look_up(visitor, photo_bytes("ada", 0)).text
        assert "No training list is here yet." in page
        assert "We found no match." not in page


def test_titles_carry_no_padding(portal: TestedPortal):
    visitor = portal.visitor()
    pages = [look_up(visitor, photo_bytes("ada", 0)).text, look_up(visitor, jpeg(textured_picture(seed=777))).text]
    titles = [re.search("<title>(.+)</title>", page)[1] for page in pages]
    assert titles == ["Yes, found: what you looked up – Demur", "None found: what you looked up – Demur"]


@pytest.mark.parametrize("fields", [{}, {"part": "1"}], ids=["page", "part"])
def test_yes_and_no_are_alike_to_the_byte(portal: TestedPortal, fields: dict[str, str]):
    visitor = portal.visitor()
    yes, no = look_up(visitor, photo_bytes("ada", 0), **fields), look_up(visitor, jpeg(textured_picture(seed=777)), **fields)
    assert yes.status_code == no.status_code == 200
    assert headers_of(yes) == headers_of(no)
    assert len(yes.data) == len(no.data)
    assert shape_of(yes.text) == shape_of(no.text)


def test_several_answers_have_the_same_length_whatever_they_are(portal: TestedPortal):
    visitor, listed = portal.visitor(), [photo_bytes("ada", number) for number in range(4)]
    others = [jpeg(textured_picture(seed=700 + number)) for number in range(4)]
    pages = [look_up(visitor, *listed[:found], *others[found:]) for found in range(5)]
    assert [re.search(r"(\d) of 4 found in a training list", page.text)[1] for page in pages] == list("01234")
    assert len({len(page.data) for page in pages}) == 1


def test_an_edited_copy_is_found(portal: TestedPortal):
    small = jpeg(textured_picture(seed=0).resize((200, 150)), quality=70)
    assert "Yes, it is in a training list" in look_up(portal.visitor(), small).text


def test_the_owner_sees_their_rows(portal: TestedPortal):
    page = look_up(portal.member(ADA), photo_bytes("ada", 0)).text
    assert "<b>The same file</b> · in generated" in page
    assert "/photos/ada-0/thumbnail" in page
    assert boxes(page, "uid") == {"ada-0": True}
    assert "is also there under another account" in page
    assert "ben-exact" not in page


def test_the_owner_reads_how_a_copy_differs(portal: TestedPortal):
    mirrored = jpeg(textured_picture(seed=3).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert "<b>A copy: mirrored</b>" in look_up(portal.member(ADA), mirrored).text


def test_what_was_found_is_opted_out_in_one_go(portal: TestedPortal):
    visitor = portal.member(ADA)
    page = look_up(visitor, photo_bytes("ada", 1), photo_bytes("ben", 2), jpeg(textured_picture(seed=777)))
    assert re.search("2 of 3 found in a training list", page.text)
    assert boxes(page.text, "uid") == {"ada-1": True}
    tokens = boxes(page.text, "picture")
    assert list(tokens.values()) == [False, False], "whose picture it is, nobody but the person can say"
    ticked = {"uid": ["ada-1"], "picture": list(tokens)[:1]}
    check = visitor.post("/opt-outs/check", ticked).text
    assert "<b>1 photo</b> of yours" in check
    assert "320 × 240 pixels" in check
    filed = visitor.post("/opt-outs", {name: visitor.hidden_fields()[name] for name in ticked} | {"mine": "1"})
    portal.settle()
    assert "1 photo and 1 picture you looked up" in visitor.get(filed.location).text
    assert "In the <a" in visitor.page


def test_what_was_opted_out_before_is_told_and_not_offered_again(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/photos")
    assert visitor.post("/opt-outs", {"uid": "ada-0"}).status_code == 303
    page = look_up(visitor, photo_bytes("ada", 0), photo_bytes("ada", 1)).text
    assert page.count("You opted it out.") == page.count('class="pencil"') == 1
    assert boxes(page, "uid") == {"ada-1": True}
    assert "Your opt-out takes close copies out, too." in page


def test_a_picture_in_no_manifest_can_be_objected_to(portal: TestedPortal):
    visitor = portal.member(ADA)
    [token] = boxes(look_up(visitor, jpeg(textured_picture(seed=777))).text, "picture")
    assert "320 × 240 pixels" in visitor.post("/opt-outs/check", {"picture": token}).text
    filed = visitor.post("/opt-outs", {"picture": token, "mine": "1"})
    assert "1 picture you looked up" in visitor.get(filed.location).text
    portal.settle()
    assert "In the <a" in visitor.get(filed.location).text


def test_a_picture_token_of_someone_else_or_changed_or_old_is_refused(portal: TestedPortal, monkeypatch: pytest.MonkeyPatch):
    visitor = portal.member(ADA)
    [token] = boxes(look_up(visitor, jpeg(textured_picture(seed=777))).text, "picture")
    body, rest = token.split(".", 1)
    changed = body[:-2] + ("AA" if body[-2:] != "AA" else "BB")
    assert visitor.post("/opt-outs", {"picture": f"{changed}.{rest}"}).status_code == 400
    other = portal.member(CLEO)
    other.get("/photos")
    assert other.post("/opt-outs", {"picture": token}).status_code == 400
    a_day_later = int(time.time()) + PICTURE_LIFETIME_S + 1
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: a_day_later)
    assert visitor.post("/opt-outs", {"picture": token}).status_code == 400


def test_a_fingerprint_is_answered_as_its_picture_is(portal: TestedPortal):
    visitor = portal.member(ADA)
    answer = ask(visitor, fingerprint_of(photo_bytes("ada", 0)))
    uploaded = look_up(visitor, photo_bytes("ada", 0), part="1")
    assert without_tokens(answer.text) == without_tokens(uploaded.text)
    assert boxes(answer.text, "uid") == {"ada-0": True}
    assert ask(visitor, fingerprint_of(jpeg(textured_picture(seed=777)))).text.count("We found no match.") == 1


def test_a_fingerprint_of_another_version_is_refused_by_name(portal: TestedPortal):
    answer = ask(portal.visitor(), fingerprint_of(photo_bytes("ada", 0)) | {"version": "other-9"})
    assert answer.status_code == 422
    assert f"version {FINGERPRINT_VERSION}" in answer.text


def test_one_bad_file_among_several_is_told_beside_the_others(portal: TestedPortal):
    page = look_up(portal.visitor(), photo_bytes("ada", 0), b"no picture at all")
    assert page.status_code == 200
    assert "Yes, it is in a training list." in page.text
    assert "not a picture" in page.text


def test_pictures_that_cannot_be_read_are_not_counted_as_looked_up(portal: TestedPortal):
    none = look_up(portal.visitor(), b"no picture at all", b"nor this")
    assert none.status_code == 422
    assert "<h1>None could be looked up.</h1>" in none.text
    assert "<title>Problem" in none.text
    assert "in a manifest" not in main_of(none.text)
    some = look_up(portal.visitor(), photo_bytes("ada", 0), jpeg(textured_picture(seed=777)), b"no picture at all")
    assert "<h1>1 of 2 found in a training list, 1 could not be read.</h1>" in some.text


@pytest.mark.parametrize(("data", "words"), [(b"no picture at all", "not a picture"), (photo_bytes("ada", 1)[:2000], "cut short")])
def test_what_is_no_picture_is_told_plainly(portal: TestedPortal, data: bytes, words: str):
    answer = look_up(portal.visitor(), data)
    assert answer.status_code == 422
    assert words in answer.text


def test_no_file_and_too_large_a_file(portal: TestedPortal):
    visitor = portal.visitor()
    visitor.get("/lookup")
    assert "Choose a picture first" in visitor.post("/lookup", {}, content_type="multipart/form-data").text
    answer = look_up(visitor, b"\xff" * (portal.config.max_upload_bytes + 5_000_000))
    assert answer.status_code == 413
    assert "too large" in answer.text
    assert "We take up to 25 MB." in answer.text


def test_a_picture_token_of_another_layout_is_refused(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/photos")
    with portal.app.test_request_context(), portal.workplace.reading() as session:
        signer = _signer(session.scalars(select(Account)).one())
    for plain in (b"short", bytes(40) + b"\x00\x00", bytes(40) + b"\x01\x00" + bytes(43)):
        token = signer.sign(urlsafe_b64encode(plain)).decode()
        assert visitor.post("/opt-outs/check", {"picture": token}).status_code == 400
    assert visitor.post("/opt-outs/check", {"picture": signer.sign("not base64!").decode()}).status_code == 400
