"""The exclusion list and run records over HTTP, with tokens, as training jobs use them."""

import io
from typing import Any

import pytest
from werkzeug.test import TestResponse

from demur.exclusions.head import PAYLOAD_TYPE, Head
from demur.signing import VerifyKey, open_envelope
from rights import tokens
from rights.tokens import Scope
from tests.support.portals import ADA, TestedPortal, now

LIST = "/api/v1/exclusion-list"


class Client:
    """The test client, with every answer read whole and its file closed."""

    def __init__(self, portal: TestedPortal) -> None:
        self.client = portal.app.test_client()

    def get(self, path: str, **options: Any) -> TestResponse:
        with self.client.get(path, buffered=True, **options) as answer:
            return answer


@pytest.fixture
def bearer(portal: TestedPortal) -> dict[str, str]:
    with portal.workplace.writing.begin() as session:
        return {"Authorization": f"Bearer {tokens.create(session, 'trainer', [Scope.LIST_READ], now())}"}


@pytest.fixture
def published(portal: TestedPortal) -> TestedPortal:
    ada = portal.member(ADA)
    ada.get("/photos")
    ada.post("/opt-outs", {"uid": "ada-1"})
    portal.settle()
    return portal


def test_without_a_token_there_is_nothing_but_the_key(published: TestedPortal):
    client = Client(published)
    answer = client.get(f"{LIST}/head.dsse.json")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.get(f"{LIST}/head.dsse.json", headers={"Authorization": "Bearer wrong"}).status_code == 401
    VerifyKey.parse(client.get(f"{LIST}/key").text)


def test_a_token_for_something_else_is_forbidden(published: TestedPortal):
    with published.workplace.writing.begin() as session:
        token = tokens.create(session, "reporter", [Scope.RUNS_WRITE], now())
    answer = Client(published).get(f"{LIST}/head.dsse.json", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


def test_the_head_verifies_with_the_key(published: TestedPortal, bearer: dict[str, str]):
    client = Client(published)
    key = VerifyKey.parse(client.get(f"{LIST}/key").text)
    answer = client.get(f"{LIST}/head.dsse.json", headers=bearer)
    head = Head.parse(open_envelope(answer.data, PAYLOAD_TYPE, [key]))
    assert head.version == 1
    again = client.get(f"{LIST}/head.dsse.json", headers=bearer | {"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_versions_are_immutable_and_come_in_ranges(published: TestedPortal, bearer: dict[str, str]):
    client = Client(published)
    whole = client.get(f"{LIST}/versions/1/entries.parquet", headers=bearer)
    assert "immutable" in whole.headers["Cache-Control"]
    part = client.get(f"{LIST}/versions/1/entries.parquet", headers=bearer | {"Range": "bytes=0-3"})
    assert (part.status_code, part.data) == (206, b"PAR1")
    assert client.get(f"{LIST}/versions/1/entries.parquet", headers=bearer | {"If-None-Match": whole.headers["ETag"]}).status_code == 304


def test_exports(published: TestedPortal, bearer: dict[str, str]):
    client = Client(published)
    assert client.get(f"{LIST}/versions/1/uids.txt", headers=bearer).text == "ada-1\n"
    assert client.get(f"{LIST}/versions/1/entries.csv", headers=bearer).text.startswith("kind,key,pdq\n")
    assert '"key":"ada-1"' in client.get(f"{LIST}/versions/1/entries.jsonl", headers=bearer).text


def test_only_promised_versions_and_known_files(published: TestedPortal, bearer: dict[str, str]):
    client = Client(published)
    orphan = published.config.list_dir / "versions" / "2"
    orphan.mkdir(parents=True)
    (orphan / "head.dsse.json").write_text("{}")
    for path in ("versions/2/head.dsse.json", "versions/1/..%2f..%2f..%2fkeys%2flist.pem", "versions/1/secret"):
        assert client.get(f"{LIST}/{path}", headers=bearer).status_code == 404


def test_a_run_record_is_taken_in_once_and_a_changed_one_refused(portal: TestedPortal):
    trained = portal.record_run("Run 1", ["ada-0"])
    directory = portal.workplace.runs.path(trained)
    with portal.workplace.writing.begin() as session:
        bearer = {"Authorization": f"Bearer {tokens.create(session, 'reporter', [Scope.RUNS_WRITE], now())}"}
    client = portal.app.test_client()

    def send(record: bytes):
        files = {"record": (io.BytesIO(record), "record"), "consumed": (io.BytesIO((directory / "consumed.bin").read_bytes()), "consumed")}
        return client.post("/api/v1/training-runs", data=files, headers=bearer)

    envelope = (directory / "run-record.dsse.json").read_bytes()
    again = send(envelope)
    assert (again.status_code, again.get_json()["id"]) == (201, trained.public_id)
    refused = send(envelope.replace(b"payload", b"qayload", 1))
    assert refused.status_code == 422
    assert refused.get_json()["error"] == "BadEnvelope"
    assert client.post("/api/v1/training-runs", headers=bearer).status_code == 400
    assert client.post("/api/v1/training-runs").status_code == 401


def test_the_public_pages(published: TestedPortal):
    run = published.record_run("Run 1", ["ada-0"])
    stranger = published.visitor()
    page = stranger.get("/exclusion-list").text
    assert stranger.get(f"{LIST}/key").text.strip() in page
    assert "ada-1" not in page
    assert "Run 1" in stranger.get("/runs").text
    assert stranger.get(f"/runs/{run.public_id}").status_code == 200
    assert stranger.get(f"/runs/{run.public_id}/record.json").get_json()["payloadType"] == "application/vnd.in-toto+json"
    assert stranger.get("/runs/nothing").status_code == 404
