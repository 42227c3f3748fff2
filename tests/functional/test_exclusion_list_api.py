"""The exclusion list and run records over HTTP, with tokens, as training jobs use them."""

import io
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from demur.exclusions import ExclusionList
from demur.exclusions.head import PAYLOAD_TYPE, Head
from demur.files import alone_in
from demur.signing import VerifyKey, open_envelope
from rights import tokens
from rights.platform_events import Event, EventKind, receive_event
from rights.tokens import Scope
from tests.support.descriptions import as_described
from tests.support.portals import ADA, TestedPortal, now, serving

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
    head = Head.parse(open_envelope(answer.data, PAYLOAD_TYPE, [key]).payload)
    assert head.version == 1
    again = client.get(f"{LIST}/head.dsse.json", headers=bearer | {"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_versions_are_immutable_and_come_in_ranges(published: TestedPortal, bearer: dict[str, str]):
    client = Client(published)
    whole = client.get(f"{LIST}/versions/1/entries.parquet", headers=bearer)
    assert "immutable" in whole.headers["Cache-Control"]
    size = len(whole.data)
    for asked, start, stop in (("0-3", 0, 4), ("-4", size - 4, size), (f"{size - 1}-", size - 1, size), (f"2-{size + 9}", 2, size)):
        part = client.get(f"{LIST}/versions/1/entries.parquet", headers=bearer | {"Range": f"bytes={asked}"})
        assert (part.status_code, part.data) == (206, whole.data[start:stop])
        assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
        assert "immutable" in part.headers["Cache-Control"]
    beyond = client.get(f"{LIST}/versions/1/entries.parquet", headers=bearer | {"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    resumed = bearer | {"Range": "bytes=4-", "If-Range": whole.headers["ETag"]}
    assert client.get(f"{LIST}/versions/1/entries.parquet", headers=resumed).data == whole.data[4:]
    changed = bearer | {"Range": "bytes=4-", "If-Range": '"another"'}
    assert client.get(f"{LIST}/versions/1/entries.parquet", headers=changed).data == whole.data
    assert client.get(f"{LIST}/versions/1/entries.parquet", headers=bearer | {"If-None-Match": whole.headers["ETag"]}).status_code == 304


def opted_out(portal: TestedPortal, *names: str) -> None:
    """Each with a version of its own."""
    ada = portal.member(ADA)
    ada.get("/photos")
    for name in names:
        ada.post("/opt-outs", {"uid": name})
        portal.settle()


def pulled(portal: TestedPortal, server: str, bearer: dict[str, str]) -> ExclusionList:
    key = VerifyKey.parse(Client(portal).get(f"{LIST}/key").text)
    return ExclusionList.open(f"{server}{LIST}/", key=key, token=bearer["Authorization"].removeprefix("Bearer "))


def test_a_reader_follows_by_one_delta_that_is_made_when_it_is_asked_for(published: TestedPortal, bearer: dict[str, str]):
    port = urlsplit(published.config.base_url).port or 0
    with serving(published.app, port):
        server = f"http://127.0.0.1:{port}"
        exclusions = pulled(published, server, bearer)
        opted_out(published, "ada-2", "ada-3", "ada-4")
        assert not (published.config.data_dir / "deltas").exists()
        assert exclusions.update()
        assert [path.name for path in (published.config.data_dir / "deltas").iterdir()] == ["4.delta-from-1.parquet"]
        assert exclusions.head.version == 4
        assert exclusions.entries == pulled(published, server, bearer).entries
        assert not (published.config.list_dir / "versions/4/delta-from-1.parquet").exists(), "apart from what was published"


def test_deltas_lead_between_any_two_published_versions_only(published: TestedPortal, bearer: dict[str, str]):
    opted_out(published, "ada-2", "ada-3")
    client = Client(published)
    for before, version in itertools.combinations((1, 2, 3), 2):
        answer = client.get(f"{LIST}/versions/{version}/delta-from-{before}.parquet", headers=bearer)
        assert (answer.status_code, answer.data[:4]) == (200, b"PAR1")
        assert "immutable" in answer.headers["Cache-Control"]
        again = bearer | {"If-None-Match": answer.headers["ETag"]}
        assert client.get(f"{LIST}/versions/{version}/delta-from-{before}.parquet", headers=again).status_code == 304
    for version, before in ((1, 1), (1, 2), (9, 1), (2, 0), (2, 9)):
        assert client.get(f"{LIST}/versions/{version}/delta-from-{before}.parquet", headers=bearer).status_code == 404
    assert client.get(f"{LIST}/versions/3/delta-from-1.parquet").status_code == 401


def test_only_so_many_deltas_are_kept(published: TestedPortal, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("portal.api.exclusion_list.KEPT_DELTAS", 2)
    opted_out(published, "ada-2", "ada-3", "ada-4")
    for before in (1, 2, 3, 1):
        assert Client(published).get(f"{LIST}/versions/4/delta-from-{before}.parquet", headers=bearer).status_code == 200
        assert len(list((published.config.data_dir / "deltas").iterdir())) <= 2


def test_a_version_between_whole_files_has_none_yet_has_its_exports(published: TestedPortal, bearer: dict[str, str]):
    opted_out(published, "ada-2")
    client = Client(published)
    assert client.get(f"{LIST}/versions/2/entries.parquet", headers=bearer).status_code == 404
    assert client.get(f"{LIST}/versions/2/delta.parquet", headers=bearer).status_code == 200
    assert client.get(f"{LIST}/versions/2/uids.txt", headers=bearer).text == "ada-1\nada-2\n"


def test_exports(published: TestedPortal, bearer: dict[str, str]):
    client = Client(published)
    assert client.get(f"{LIST}/versions/1/uids.txt", headers=bearer).text == "ada-1\n"
    assert client.get(f"{LIST}/versions/1/entries.csv", headers=bearer).text.startswith("kind,key,pdq\n")
    assert '"key":"ada-1"' in client.get(f"{LIST}/versions/1/entries.jsonl", headers=bearer).text


def test_only_so_many_exports_are_kept_and_one_is_made_at_a_time(
    published: TestedPortal, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("portal.api.exclusion_list.KEPT_EXPORTS", 2)
    exports = published.config.data_dir / "exports"
    for name in ("uids.txt", "entries.csv", "entries.jsonl"):
        assert Client(published).get(f"{LIST}/versions/1/{name}", headers=bearer).status_code == 200
        assert len(list(exports.iterdir())) <= 2
    with alone_in(exports):
        busy = as_described(Client(published).get(f"{LIST}/versions/1/uids.txt", headers=bearer))
    assert (busy.status_code, busy.headers["Retry-After"], busy.json["error"]) == (503, "10", "Another file of the list is being made")
    assert Client(published).get(f"{LIST}/versions/1/uids.txt", headers=bearer).status_code == 200


def test_readers_of_the_list_take_turns_and_find_what_was_made_meanwhile(published: TestedPortal, bearer: dict[str, str]):
    opted_out(published, "ada-2", "ada-3")
    deltas = published.config.data_dir / "deltas"
    deltas.mkdir()
    with ThreadPoolExecutor(1) as reader:
        with alone_in(deltas):
            asked = reader.submit(Client(published).get, f"{LIST}/versions/3/delta-from-1.parquet", headers=bearer)
            with pytest.raises(TimeoutError):
                asked.result(0.5)
            assert list(deltas.iterdir()) == [], "it waits"
            (deltas / "3.delta-from-1.parquet").write_bytes(b"made by another")
        answer = asked.result(20)
    assert (answer.status_code, answer.data) == (200, b"made by another")


def test_a_reader_that_waited_in_vain_is_told_when_to_ask_again(
    published: TestedPortal, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("portal.api.exclusion_list.DELTA_PATIENCE_S", 0.1)
    opted_out(published, "ada-2", "ada-3")
    deltas = published.config.data_dir / "deltas"
    deltas.mkdir()
    with alone_in(deltas):
        busy = as_described(Client(published).get(f"{LIST}/versions/3/delta-from-1.parquet", headers=bearer))
    assert (busy.status_code, busy.headers["Retry-After"], busy.json["error"]) == (503, "10", "Another file of the list is being made")
    assert Client(published).get(f"{LIST}/versions/3/delta-from-1.parquet", headers=bearer).status_code == 200


def test_an_export_that_cannot_hold_an_entry_says_which_one(portal: TestedPortal, bearer: dict[str, str]):
    with portal.workplace.writing.begin() as session:
        receive_event(session, Event("e1", EventKind.PHOTO_DELETED, ADA, "two\nlines", now()), now())
    portal.settle()
    refused = as_described(Client(portal).get(f"{LIST}/versions/1/uids.txt", headers=bearer))
    assert (refused.status_code, refused.json["error"]) == (409, "This form cannot hold the whole list")
    assert "'two\\nlines' holds a line break; use the CSV or JSONL export" in refused.json["detail"]
    assert Client(portal).get(f"{LIST}/versions/1/entries.jsonl", headers=bearer).status_code == 200


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


def test_trainers_with_the_old_key_follow_a_rotation(published: TestedPortal, bearer: dict[str, str]):
    client, port = Client(published), urlsplit(published.config.base_url).port or 0
    assert client.get(f"{LIST}/rotations.json").status_code == 404
    with serving(published.app, port):
        exclusions = pulled(published, f"http://127.0.0.1:{port}", bearer)
        old = client.get(f"{LIST}/key").text.strip()
        told = json.loads(published.run("keys", "rotate", "--json").output)
        assert told["from_version"] == 2
        assert client.get(f"{LIST}/key").text.strip() == told["key"] != old
        published.settle()
        assert exclusions.update()
        assert exclusions.head.version == 2
        assert pulled(published, f"http://127.0.0.1:{port}", bearer).head.version == 2
    answer = client.get(f"{LIST}/rotations.json")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert client.get(f"{LIST}/rotations.json", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
