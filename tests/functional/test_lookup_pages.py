"""Looking up a picture: what strangers and owners learn, and that nothing of it is kept."""

import io
import tempfile

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from tests.support.pictures import jpeg, photo_bytes, textured_picture
from tests.support.portals import ADA, CLEO, TestedPortal, Visitor


def look_up(visitor: Visitor, data: bytes, name: str = "picture.jpg"):
    visitor.get("/lookup")
    token = visitor.hidden_fields()["csrf_token"][0]
    # Encoded here: the test client itself would spool a large form to a file.
    boundary, body = encode_multipart({"csrf_token": token, "picture": FileStorage(io.BytesIO(data), name)})
    return visitor.post("/lookup", data=body, content_type=f"multipart/form-data; boundary={boundary}")


def main_of(page: str) -> str:
    return page.split('<main id="main"')[1].split("</main>")[0]


def test_a_stranger_learns_yes_or_no_and_nothing_else(portal: TestedPortal):
    visitor = portal.visitor()
    yes, no = look_up(visitor, photo_bytes("ada", 0)), look_up(visitor, jpeg(textured_picture(seed=777)))
    assert (yes.status_code, no.status_code) == (200, 200)
    assert "Yes, it stands in a manifest." in yes.text
    assert "No, it stands in no manifest." in no.text
    for page in (yes.text, no.text):
        assert "ada" not in main_of(page).lower().replace("manifest", "")
        assert "generated" not in main_of(page)
    tags = [[part.split(">")[0].split(" ")[0] for part in main_of(page).split("<")] for page in (yes.text, no.text)]
    assert tags[0] == tags[1], "both answers have the same shape"


def test_an_edited_copy_is_found(portal: TestedPortal):
    small = jpeg(textured_picture(seed=0).resize((200, 150)), quality=70)
    assert "Yes, it stands" in look_up(portal.visitor(), small).text


def test_the_owner_sees_their_rows(portal: TestedPortal):
    page = look_up(portal.member(ADA), photo_bytes("ada", 0)).text
    assert "The same picture" in page
    assert "/photos/ada-0" in page
    assert "also stands there under another account" in page
    assert "ben-exact" not in page


def test_a_picture_in_no_manifest_can_be_objected_to(portal: TestedPortal):
    visitor = portal.member(ADA)
    look_up(visitor, jpeg(textured_picture(seed=777)))
    token = visitor.hidden_fields()["picture"][0]
    assert "320 × 240 pixels" in visitor.post("/opt-outs/check", {"picture": token}).text
    filed = visitor.post("/opt-outs", {"picture": token})
    assert "1 picture you looked up" in visitor.get(filed.location).text
    portal.settle()
    assert "In the <a" in visitor.get(filed.location).text


def test_a_picture_token_of_someone_else_or_changed_is_refused(portal: TestedPortal):
    visitor = portal.member(ADA)
    look_up(visitor, jpeg(textured_picture(seed=777)))
    token = visitor.hidden_fields()["picture"][0]
    assert visitor.post("/opt-outs", {"picture": token[:-2] + "AA"}).status_code == 400
    other = portal.member(CLEO)
    other.get("/photos")
    assert other.post("/opt-outs", {"picture": token}).status_code == 400


@pytest.mark.parametrize(("data", "words"), [(b"no picture at all", "not a picture"), (photo_bytes("ada", 1)[:2000], "cut short")])
def test_what_is_no_picture_is_told_plainly(portal: TestedPortal, data: bytes, words: str):
    answer = look_up(portal.visitor(), data)
    assert answer.status_code == 422
    assert words in answer.text


def test_no_file_and_too_large_a_file(portal: TestedPortal):
    visitor = portal.visitor()
    visitor.get("/lookup")
    assert "Choose a picture first" in visitor.post("/lookup", {}, content_type="multipart/form-data").text
    answer = look_up(visitor, b"\xff" * (portal.config.max_upload_bytes + 2_000_000))
    assert answer.status_code == 413
    assert "too large" in answer.text


def test_uploads_never_touch_the_disk(portal: TestedPortal, monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("an upload was written to a temporary file")

    for name in ("TemporaryFile", "SpooledTemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", refuse)
    large = jpeg(textured_picture(5, 2400, 1800), quality=100)
    assert len(large) > 600_000
    assert look_up(portal.visitor(), large).status_code == 200
