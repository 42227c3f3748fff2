"""POST /api/v1/lookups: a picture or its fingerprint; a yes or no to strangers and partners, one's own photos to a member."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from demur.cli import main
from demur.similarity.fingerprint import FINGERPRINT_VERSION
from portal.fingerprints import MAX_VARIANTS
from rights.tokens import Scope, create
from tests.support.descriptions import as_described
from tests.support.lookups import fingerprint_of
from tests.support.pictures import jpeg, photo_bytes, textured_picture
from tests.support.portals import ADA, TestedPortal

LOOKUPS = "/api/v1/lookups"
LISTED, NOT_LISTED = photo_bytes("ada", 0), jpeg(textured_picture(seed=777))


def send(client: FlaskClient, picture: bytes, **options: Any) -> TestResponse:
    boundary, body = encode_multipart({"picture": FileStorage(io.BytesIO(picture), "picture.jpg")})
    return as_described(client.post(LOOKUPS, data=body, content_type=f"multipart/form-data; boundary={boundary}", **options))


def ask(client: FlaskClient, fingerprint: Any, **options: Any) -> TestResponse:
    return as_described(client.post(LOOKUPS, json=fingerprint, **options))


def token(portal: TestedPortal, scope: Scope) -> dict[str, str]:
    with portal.workplace.writing.begin() as session:
        return {"Authorization": f"Bearer {create(session, 'partner', [scope], datetime.now(UTC))}"}


def test_a_picture_or_its_fingerprint_is_answered_yes_or_no(portal: TestedPortal):
    client = portal.app.test_client()
    assert send(client, LISTED).json == ask(client, fingerprint_of(LISTED)).json == {"found": True}
    assert send(client, NOT_LISTED).json == ask(client, fingerprint_of(NOT_LISTED)).json == {"found": False}


def test_what_the_command_line_prints_is_taken_and_is_the_pictures_fingerprint(portal: TestedPortal, tmp_path: Path):
    (tmp_path / "one.jpg").write_bytes(LISTED)
    printed = CliRunner().invoke(main, ["hash", "--lookup", str(tmp_path / "one.jpg")]).stdout
    assert json.loads(printed) == fingerprint_of(LISTED)
    answer = portal.app.test_client().post(LOOKUPS, data=printed, content_type="application/json")
    assert as_described(answer).json == {"found": True}


def test_yes_and_no_are_alike_to_the_byte(portal: TestedPortal):
    client = portal.app.test_client()
    yes, no = ask(client, fingerprint_of(LISTED)), ask(client, fingerprint_of(NOT_LISTED))
    assert yes.status_code == no.status_code == 200
    assert len(yes.data) == len(no.data)
    assert [header for header in yes.headers if header[0] != "Date"] == [header for header in no.headers if header[0] != "Date"]


def test_a_picture_too_plain_to_compare_is_told_so(portal: TestedPortal):
    client = portal.app.test_client()
    plain = jpeg(Image.new("RGB", (320, 240), "white"))
    assert send(client, plain).json == ask(client, fingerprint_of(plain)).json == {"found": False, "limit": "too_plain"}


def test_a_member_learns_which_photo_it_is(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/lookup")
    form_token = {"X-CSRFToken": visitor.hidden_fields()["csrf_token"][0]}
    told = ask(visitor.client, fingerprint_of(LISTED), headers=form_token).json
    assert (told["found"], told["elsewhere"]) == (True, True)
    [match] = told["matches"]
    assert (match["uid"], match["kind"], match["manifests"]) == ("ada-0", "exact", ["generated"])
    assert ask(visitor.client, fingerprint_of(NOT_LISTED), headers=form_token).json == {"found": False, "elsewhere": False, "matches": []}


def test_a_cookie_without_a_form_token_is_refused(portal: TestedPortal):
    assert ask(portal.member(ADA).client, fingerprint_of(LISTED)).status_code == 400


def test_a_partner_asks_with_a_token_of_the_scope(portal: TestedPortal):
    client = portal.app.test_client()
    assert ask(client, fingerprint_of(LISTED), headers=token(portal, Scope.LOOKUP_READ)).json == {"found": True}
    assert ask(client, fingerprint_of(LISTED), headers={"Authorization": "Bearer demur_unknown"}).status_code == 401


def test_a_token_of_another_scope_is_refused(portal: TestedPortal):
    assert ask(portal.app.test_client(), fingerprint_of(LISTED), headers=token(portal, Scope.LIST_READ)).status_code == 403


def changed(**fields: Any) -> dict[str, Any]:
    return fingerprint_of(LISTED) | fields


def with_variant(**fields: Any) -> dict[str, Any]:
    sent = fingerprint_of(LISTED)
    return sent | {"variants": [sent["variants"][0] | fields]}


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        ([], "JSON object"),
        (changed(extra=1), "exactly the fields"),
        (changed(sha256="A" * 64), "sha256"),
        (changed(width=0), "width"),
        (changed(height=True), "height"),
        (changed(variants=[]), f"1 to {MAX_VARIANTS}"),
        (changed(variants=fingerprint_of(LISTED)["variants"] * 2), f"1 to {MAX_VARIANTS}"),
        (changed(variants=fingerprint_of(LISTED)["variants"][:1] * 2), "stands once"),
        (changed(variants=fingerprint_of(LISTED)["variants"][1:]), "first variant"),
        (with_variant(edit="painted over"), "edit"),
        (with_variant(dihedral=8), "dihedral"),
        (with_variant(phash="0"), "phash"),
        (with_variant(pdq=5), "pdq"),
        (with_variant(quality=100.0), "quality"),
        (with_variant(more=1), "a variant has exactly"),
    ],
)
def test_what_is_no_fingerprint_is_refused_with_the_rule(portal_without_provider: TestedPortal, sent: Any, word: str):
    answer = ask(portal_without_provider.app.test_client(), sent)
    assert (answer.status_code, answer.json["error"]) == (422, "BadFingerprint")
    assert word in answer.json["detail"]


def test_a_fingerprint_of_another_version_is_refused_by_name(portal: TestedPortal):
    answer = ask(portal.app.test_client(), changed(version="other-9"))
    assert (answer.status_code, answer.json["error"]) == (422, "OtherFingerprintVersion")
    assert FINGERPRINT_VERSION in answer.json["detail"]


def test_what_is_no_picture_is_refused_by_name(portal: TestedPortal):
    answer = send(portal.app.test_client(), b"no picture at all")
    assert (answer.status_code, answer.json["error"]) == (422, "NotAPicture")


def test_other_bodies_are_refused(portal: TestedPortal):
    client = portal.app.test_client()
    assert as_described(client.post(LOOKUPS, data=b"x", content_type="text/plain")).status_code == 415
    assert as_described(client.post(LOOKUPS, data=b"{", content_type="application/json")).status_code == 422
    assert as_described(client.post(LOOKUPS, data=b" " * 300_000, content_type="application/json")).status_code == 413
    assert as_described(client.post(LOOKUPS, data={"other": "field"}, content_type="multipart/form-data")).status_code == 400
