"""Receipts by pages: who sees them, what they lead to, and the check by the server for browsers that cannot."""

import io
import json
import re

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from demur.receipts import LogKind, Receipt, Statement
from demur.signing import VerifyKey
from models import LogEntry, WebSession
from portal.verify import MOST_BYTES
from rights.log import state
from tests.support.portals import ADA, BEN, TestedPortal, Visitor
from tests.support.receipt_vectors import AT, RECEIPTS

GOOD = (RECEIPTS / "good" / "opt_out_filed.json").read_bytes()
KEY = (RECEIPTS / "log.vkey").read_text()


@pytest.fixture
def request_page(portal: TestedPortal) -> str:
    """The address of a member's request to opt two photos out, of which nothing is published yet."""
    ada = portal.member(ADA)
    ada.get("/photos")
    ada.post("/opt-outs/check", {"uid": ["ada-1", "ada-2"]})
    return ada.post("/opt-outs", {"uid": ["ada-1", "ada-2"]}).location


def entry(portal: TestedPortal, kind: LogKind) -> LogEntry:
    with portal.workplace.reading() as session:
        return session.scalars(select(LogEntry).where(LogEntry.kind == kind)).one()


def links(page: str) -> list[str]:
    return re.findall(r'href="(/receipts/[^"]+)"', page)


def post(visitor: Visitor, *files: tuple[bytes, str], **fields: str) -> TestResponse:
    data = {"file": [(io.BytesIO(data), name) for data, name in files], **fields}
    return visitor.client.post("/verify", data=data, content_type="multipart/form-data")


def send(visitor: Visitor, *files: tuple[bytes, str], **fields: str) -> str:
    answer = post(visitor, *files, **fields)
    assert answer.status_code == 200
    return answer.text


def test_a_request_lists_its_receipts_as_they_come(portal: TestedPortal, request_page: str):
    ada = portal.member(ADA)
    assert len(links(ada.get(request_page).text)) == 2  # the page and the file of the first
    portal.settle()
    assert len(links(ada.get(request_page).text)) == 4
    ada.post(f"{request_page}/withdraw")
    page = ada.get(request_page).text
    assert len(links(page)) == 6
    assert "Opt-out withdrawn" in page


def test_whoever_has_the_link_may_see_a_receipt_and_nobody_else_finds_it(portal: TestedPortal, request_page: str):
    portal.settle()
    address = f"/receipts/{entry(portal, LogKind.OPT_OUT_LISTED).public_id}"
    for visitor in (portal.visitor(), portal.member(BEN)):
        page = visitor.get(address)
        assert "In the exclusion list" in page.text
        assert "ada-1" in page.text
        for answer in (page, visitor.get(f"{address}.json")):
            assert answer.headers["X-Robots-Tag"] == "noindex"
            assert answer.headers["Referrer-Policy"] == "same-origin", "no other website is told the address"
    for unknown in ("/receipts/nothing", "/receipts/nothing.json", f"{address}x", f"{address}.JSON"):
        assert portal.visitor().get(unknown).status_code == 404


def test_the_file_proves_what_the_page_says(portal: TestedPortal, request_page: str):
    portal.settle()
    found = entry(portal, LogKind.OPT_OUT_LISTED)
    answer = portal.visitor().get(f"/receipts/{found.public_id}.json")
    statement, _ = Receipt.parse(answer.data).verify(VerifyKey.load(portal.config.keys_dir / "log.vkey"))
    assert statement.photos == ("ada-1", "ada-2")
    name = f"receipt-{statement.reference}-opt_out_listed.json"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    page = portal.visitor().get(f"/receipts/{found.public_id}").text
    assert f"demur verify {name}" in page
    assert portal.visitor().get("/log/key").text.strip() in page


def test_before_the_log_holds_it_there_is_a_page_and_no_file(portal: TestedPortal, request_page: str):
    filed = entry(portal, LogKind.OPT_OUT_FILED).public_id
    page = portal.visitor().get(f"/receipts/{filed}")
    assert page.status_code == 200
    assert "does not hold it yet" in page.text
    assert f'data-live="/receipts/{filed}"' in page.text
    answer = portal.visitor().get(f"/receipts/{filed}.json")
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


def test_runs_and_versions_of_the_list_lead_to_their_receipts(portal: TestedPortal, request_page: str):
    assert "Receipt of version" not in portal.visitor().get("/exclusion-list").text
    portal.settle()
    run = portal.record_run("Run 1", ["ada-0"])
    portal.settle()
    published, recorded = (entry(portal, kind).public_id for kind in (LogKind.LIST_PUBLISHED, LogKind.RUN_RECORDED))
    listed = portal.visitor().get("/exclusion-list").text
    assert links(listed) == [f"/receipts/{published}"]
    assert "/log/checkpoint" in listed
    assert portal.visitor().get("/log/key").text.strip() in listed
    assert links(portal.visitor().get(f"/runs/{run.public_id}").text) == [f"/receipts/{recorded}"]
    for public_id, name in ((recorded, "receipt-Run-1-run_recorded.json"), (published, "receipt-version-1-list_published.json")):
        answer = portal.visitor().get(f"/receipts/{public_id}.json")
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'


def test_a_photo_leads_to_the_receipts_of_its_request(portal: TestedPortal, request_page: str):
    assert f'href="{request_page}#receipts"' in portal.member(ADA).get("/photos/ada-1").text


def test_the_server_checks_what_is_sent_by_the_keys_that_are_sent(portal: TestedPortal):
    visitor = portal.visitor()
    page = send(visitor, (GOOD, "good.json"), log_keys=KEY)
    assert "It holds." in page
    assert "Checked by keys that are not this website’s: op.example/opt-outs/log+" in page
    assert "the opt-out DM-7Q4K-92XF was filed for the photo ada-1" in page
    page = send(visitor, (GOOD, "<b>good.json"), (b"hello", "other.txt"), run_keys=KEY)
    assert "2 of 2 could not be checked." in page
    assert "&lt;b&gt;good.json" in page
    assert "which you trust for run records, not for logs" in page
    assert "UnknownFile" in page


def test_without_a_key_nothing_is_checked_and_the_websites_own_keys_are_named(portal: TestedPortal, request_page: str):
    portal.settle()
    address = entry(portal, LogKind.OPT_OUT_LISTED).public_id
    receipt = portal.visitor().get(f"/receipts/{address}.json").data
    own = {"log_keys": portal.visitor().get("/log/key").text}
    nothing = post(portal.visitor(), (receipt, "receipt.json"), log_keys=" \n")
    assert nothing.status_code == 422
    assert "Give at least one key" in nothing.text
    shown = send(portal.visitor(), receipt=address, **own)
    assert "It holds." in shown
    assert "Checked by this website’s own keys alone" in shown
    witnessed = send(portal.visitor(), (receipt, "receipt.json"), **own, witness_keys=(RECEIPTS / "witness-1.vkey").read_text())
    assert "It could not be checked." in witnessed


@pytest.mark.parametrize(
    ("begins", "said"),
    [
        (b"%PDF-1.7", "it is a PDF"),
        (b"\xff\xd8\xff\xe0", "it is a picture"),
        (b"<!DOCTYPE html>", "web page"),
        (b"{}", "it is no list head"),
    ],
)
def test_what_people_give_by_mistake_is_named_with_what_to_give_instead(portal: TestedPortal, begins: bytes, said: str):
    page = send(portal.visitor(), (begins, "given"), log_keys=KEY)
    assert "It could not be checked." in page
    assert said in page
    assert "Do this" in page


def test_more_files_than_are_checked_at_a_time_are_not_checked(portal: TestedPortal):
    assert post(portal.visitor(), *[(GOOD, f"{number}.json") for number in range(51)], log_keys=KEY).status_code == 413


def test_public_pages_are_served_without_any_private_key(portal: TestedPortal, request_page: str):
    portal.settle()
    address = entry(portal, LogKind.OPT_OUT_LISTED).public_id
    portal.record_run("Run 1", ["ada-0"])
    for private in portal.config.keys_dir.glob("*.pem"):
        private.unlink()
    ada = portal.member(ADA)
    for path in (
        "/",
        "/exclusion-list",
        "/verify",
        "/runs",
        "/log/key",
        "/api/v1/exclusion-list/key",
        f"/receipts/{address}",
        f"/receipts/{address}.json",
    ):
        assert portal.visitor().get(path).status_code == 200, path
    for path in ("/evidence", "/evidence/bundle.zip"):
        assert ada.get(path).status_code == 200, path


def test_a_damaged_key_is_not_a_missing_one(portal: TestedPortal):
    (portal.config.keys_dir / "list.vkey").write_text("damaged")
    answer = portal.visitor().get("/exclusion-list")
    assert answer.status_code == 503
    assert "A key of this website is not as it must be" in answer.text


def test_what_cannot_be_checked_is_told(portal: TestedPortal):
    visitor = portal.visitor()
    for files, fields, status, words in (
        ((), {}, 422, "Choose a file first."),
        (
            ((GOOD, "good.json"),),
            {"log_keys": f"{KEY}\n \nnonsense"},
            422,
            "One of the keys in the box “Keys of the log, which sign receipts” cannot be read: line 4, a key for a log and its receipts: ",
        ),
    ):
        answer = post(visitor, *files, **fields)
        assert answer.status_code == status
        assert words in answer.text
    assert visitor.client.post("/verify", data={"receipt": "nothing"}).status_code == 404


def test_too_large_a_file_is_not_read(portal: TestedPortal):
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="large.json"\r\n\r\n'
    body = part + bytes(MOST_BYTES) + b"\r\n--x--\r\n"
    answer = portal.visitor().client.post("/verify", data=body, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 413
    assert "That is more than 4 MB." in answer.text


def test_nothing_of_what_is_sent_is_kept(portal: TestedPortal):
    visitor = portal.visitor()
    assert "It holds." in send(visitor, (GOOD, "good.json"), log_keys=KEY)
    assert "Set-Cookie" not in visitor.get("/verify").headers
    with portal.workplace.reading() as session:
        assert session.scalars(select(WebSession)).all() == []
    kept = [path for path in portal.config.data_dir.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not any(b"DM-7Q4K-92XF" in path.read_bytes() for path in kept)


def test_hostile_text_in_a_receipt_is_only_text(portal: TestedPortal):
    told = json.loads(GOOD)
    told["checkpoint"] = "<script>alert(1)</script>\n1\nAA==\n\n— a AAAAAAA=\n"
    receipt = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    proof = json.dumps({"format": "demur-absence-proof/1", "run_id": "\ud800", "uid": "\ud800", "before": None, "after": None}).encode()
    entry = '{"entry":["uid","ü",""],"format":"demur-entry-proof/1","leaf_index":0,"list_id":"x","path":[],"version":1}'.encode("utf-16-le")
    page = send(portal.visitor(), (receipt, "a.json"), (proof, "b.json"), (entry, "c.json"), log_keys=KEY)
    assert "<script>alert" not in page
    assert "not hold" in page


def test_many_photos_are_counted_and_unfolded(portal: TestedPortal):
    photos = tuple(f"photo-{number:02d}" for number in range(40))
    with portal.workplace.writing.begin() as session:
        stated = state(session, Statement(LogKind.OPT_OUT_FILED, AT, "DM-0000-0001", photos), AT)
        session.flush()
        address = stated.public_id
    portal.run("list", "publish")
    page = portal.visitor().get(f"/receipts/{address}").text
    assert "<dt>40 photos</dt>" in page
    assert "<summary>Show them all</summary>" in page
    assert "<code>photo-39</code>" in page
