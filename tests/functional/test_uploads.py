"""What comes in to be looked up is bounded: few uploads at a time, a form in one time, and bodies of one size."""

import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from flask import request, request_finished
from sqlalchemy import event
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse, encode_multipart

from demur.similarity.fingerprint import PictureError
from demur.similarity.sandbox import DecodingTimedOut, Sandbox, SandboxBusy
from portal import lookup
from portal.bodies import SELECTION_BYTES
from portal.even_answers import STEP_S
from portal.fingerprints import MAX_FINGERPRINT_BYTES
from portal.selection import MOST_PICTURES
from portal.uploads import STRANGERS_TURNS, TURNS
from tests.support.lookups import fingerprint_of
from tests.support.pictures import jpeg, photo_bytes, textured_picture
from tests.support.portals import ADA, TestedPortal, Visitor, at, serving
from tests.support.waiting import wait_until

LOOKUPS = "/api/v1/lookups"
DEEP = "[" * 190_000
LARGE = jpeg(textured_picture(5, 2400, 1800), quality=100)


@pytest.fixture
def served(portal: TestedPortal) -> Iterator[str]:
    """The portal's address, over real HTTP."""
    with serving(portal.app, urlsplit(portal.config.base_url).port or 0):
        yield portal.config.base_url


def begin_upload(address: str, client: str = "127.0.0.1") -> socket.socket:
    """A large upload whose body is on its way for as long as the socket is open."""
    parts = urlsplit(address)
    caller = socket.create_connection((parts.hostname, parts.port), source_address=(client, 0))
    head = [f"POST {LOOKUPS} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: multipart/form-data; boundary=x", "Content-Length: 1000000"]
    caller.sendall("\r\n".join([*head, "", "--x"]).encode())
    return caller


def upload(address: str, picture: bytes, client: str = "127.0.0.1") -> int:
    with at(client) as session:
        return session.post(address + LOOKUPS, files={"picture": ("picture.jpg", picture)}, timeout=30).status_code


def hold_turn(address: str, client: str = "127.0.0.1") -> socket.socket:
    """A large upload that has its client's turn: it is not answered at once."""
    caller = begin_upload(address, client)
    caller.settimeout(1)
    with pytest.raises(TimeoutError):
        caller.recv(1)
    return caller


def test_a_client_brings_one_picture_at_a_time_and_others_theirs(served: str):
    small = photo_bytes("ada", 0)
    with hold_turn(served):
        assert upload(served, small) == 503
        assert upload(served, LARGE) == 503
        assert upload(served, small, "127.0.0.2") == 200
        assert requests.post(served + LOOKUPS, json=fingerprint_of(small), timeout=30).json() == {"found": True}
        assert requests.get(served + "/healthz", timeout=30).ok
    wait_until("its turn is free", lambda: upload(served, small) == 200)


def test_strangers_leave_the_last_turn_to_members(served: str, portal: TestedPortal):
    small = photo_bytes("ada", 0)
    with ExitStack() as slow:
        for number in range(STRANGERS_TURNS):
            slow.enter_context(hold_turn(served, f"127.0.0.{number + 2}"))
        assert upload(served, small, "127.0.0.9") == 503
        assert look_up(portal.member(ADA), small, part="1").status_code == 200


def test_a_turn_ends_with_its_request(portal: TestedPortal):
    visitor = portal.visitor()
    sent = [photo_bytes("ada", 0), b"no picture"] * TURNS
    answers = [post(visitor, LOOKUPS, ("picture", FileStorage(io.BytesIO(data), "x.jpg"))) for data in sent]
    assert [answer.status_code for answer in answers] == [200, 422] * TURNS


@contextmanager
def busy_sandbox(portal: TestedPortal) -> Iterator[None]:
    """One process, and it is asleep."""
    with Sandbox(processes=1, wait=0.1, work="tests.support.hostile:worked_on") as sandbox:
        sleeper = threading.Thread(target=read_late, args=(sandbox, b"sleep"))
        sleeper.start()
        wait_until("it sleeps", lambda: is_busy(sandbox))
        portal.app.extensions["demur"] = replace(portal.app.extensions["demur"], sandbox=sandbox)
        yield
        sleeper.join()


def read_late(sandbox: Sandbox, data: bytes) -> None:
    with pytest.raises(DecodingTimedOut):
        sandbox.read(data, timeout=4)


def is_busy(sandbox: Sandbox) -> bool:
    try:
        sandbox.read(b"no picture")
    except SandboxBusy:
        return True
    except PictureError:
        return False
    return False


def look_up(visitor: Visitor, *pictures: bytes, **fields: str) -> TestResponse:
    """Sends the form of the lookup page, with its second, empty field of a camera."""
    visitor.get("/lookup")
    token = visitor.hidden_fields()["csrf_token"][0]
    named = [("picture", FileStorage(io.BytesIO(data), f"picture-{number}.jpg")) for number, data in enumerate(pictures)]
    empty = ("picture", FileStorage(io.BytesIO(), ""))
    return post(visitor, "/lookup", ("csrf_token", token), *fields.items(), *named, empty)


def post(visitor: Visitor, path: str, *fields: tuple[str, Any]) -> TestResponse:
    """Encoded here: the test client itself would spool a large form to a file."""
    boundary, body = encode_multipart(MultiDict(fields))
    return visitor.post(path, data=body, content_type=f"multipart/form-data; boundary={boundary}")


def test_a_busy_sandbox_is_told_of_each_picture_and_of_a_single_one_as_a_wait(portal: TestedPortal):
    with busy_sandbox(portal):
        several = look_up(portal.visitor(), photo_bytes("ada", 0), photo_bytes("ada", 1))
        assert (several.status_code, several.text.count("Too many pictures are being read just now")) == (422, 2)
        single = look_up(portal.visitor(), photo_bytes("ada", 0), part="1")
        assert (single.status_code, "Retry-After" in single.headers) == (503, True)


def test_all_pictures_of_a_form_share_one_deadline(portal: TestedPortal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lookup, "FORM_S", 0.0)
    page = look_up(portal.visitor(), photo_bytes("ada", 0), photo_bytes("ada", 1))
    assert page.text.count("please send this one again") == 2


@pytest.mark.parametrize(("sent", "words"), [(DEEP, "not JSON"), ("[" + " " * MAX_FINGERPRINT_BYTES, f"at most {MAX_FINGERPRINT_BYTES}")])
def test_a_deep_or_large_fingerprint_is_refused(portal: TestedPortal, sent: str, words: str):
    answer = look_up(portal.visitor(), fingerprint=sent, part="1")
    assert (answer.status_code, words in answer.text) == (422, True)


def test_a_deep_fingerprint_is_refused_by_the_api(portal: TestedPortal):
    answer = portal.app.test_client().post(LOOKUPS, data=DEEP, content_type="application/json")
    assert (answer.status_code, answer.json["error"]) == (422, "BadFingerprint")


def test_a_form_without_files_is_bounded(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.get("/photos")
    answer = visitor.post("/opt-outs/check", {"uid": "x" * SELECTION_BYTES})
    assert answer.status_code == 413
    assert f"up to {MOST_PICTURES} pictures" in answer.text
    assert "That picture is too large" not in answer.text


def test_a_request_holds_so_many_looked_up_pictures_and_no_more(portal: TestedPortal):
    visitor = portal.member(ADA)

    def check(pictures: int) -> TestResponse:
        visitor.get("/photos")
        return visitor.post("/opt-outs/check", {"picture": [f"token-{token}" for token in range(pictures)]})

    answers = {number: check(number) for number in (MOST_PICTURES, MOST_PICTURES + 1)}
    assert {number: answer.status_code for number, answer in answers.items()} == {MOST_PICTURES: 400, MOST_PICTURES + 1: 413}
    assert f"up to {MOST_PICTURES} pictures" in answers[MOST_PICTURES + 1].text


Send = Callable[[Visitor], TestResponse]
SENT_BOTH_WAYS = pytest.mark.parametrize(
    "send",
    [
        lambda visitor: look_up(visitor, LARGE),
        lambda visitor: post(visitor, LOOKUPS, ("picture", FileStorage(io.BytesIO(LARGE), "large.jpg"))),
    ],
    ids=["page", "api"],
)


@SENT_BOTH_WAYS
def test_uploads_are_held_in_memory(portal: TestedPortal, send: Send):
    assert len(LARGE) > 600_000, "smaller ones are held in memory by any framework"
    held: list[type] = []

    def note(_app: object, **_facts: object) -> None:
        held.extend(type(file.stream) for file in request.files.getlist("picture") if file.filename)

    with request_finished.connected_to(note, portal.app):
        assert send(portal.visitor()).status_code == 200
    assert held == [io.BytesIO]


def note_waits(monkeypatch: pytest.MonkeyPatch, note: Callable[[float], None]) -> None:
    """Notes each wait of this thread, and waits. Those of other threads, such as Spark's of other tests, are not noted."""
    sleep = time.sleep

    def wait(seconds: float) -> None:
        if threading.current_thread() is threading.main_thread():
            note(seconds)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", wait)


@SENT_BOTH_WAYS
def test_a_stranger_waits_for_the_step_without_a_connection_to_the_database(
    portal: TestedPortal, monkeypatch: pytest.MonkeyPatch, send: Send
):
    pool = portal.app.extensions["demur"].engine.pool
    taken: list[str] = []
    waits: list[tuple[bool, int, float]] = []
    visitor = portal.visitor()
    send(visitor)  # so that the sandbox is ready
    event.listen(pool, "checkout", lambda *_: taken.append("connection"))
    note_waits(monkeypatch, lambda seconds: waits.append((bool(taken), pool.checkedout(), seconds)))
    began = time.perf_counter()
    assert send(visitor).status_code == 200
    [(used_before, used, seconds)] = waits
    assert (used_before, used) == (True, 0)
    assert 0 < seconds <= STEP_S <= time.perf_counter() - began


def test_a_member_does_not_wait(portal: TestedPortal, monkeypatch: pytest.MonkeyPatch):
    member = portal.member(ADA)
    look_up(member, LARGE)
    waits: list[float] = []
    note_waits(monkeypatch, waits.append)
    assert look_up(member, fingerprint=json.dumps(fingerprint_of(LARGE)), part="1").status_code == 200
    assert waits == []
