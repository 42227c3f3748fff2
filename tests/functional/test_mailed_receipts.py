"""The receipts of an opt-out by mail, from a member's sign-in to a real mail server; and when it is away, or refuses."""

import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select, update

from demur.exclusions.sources import DirectorySource
from demur.receipts import LogKind, Receipt
from demur.signing import VerifyKey
from demur.tlog.reader import LogReader
from jobs.workplace import now
from models import Account, AuditEvent, LogEntry, Outbox
from portal.auth.claims import confirmed_address
from rights.notices import ReceiptNotReady, Sender, compose_receipt
from rights.outbox import MAIL_RECEIPT
from tests.support.mail import SENDER, Inbox, smtp_server
from tests.support.portals import ADA, TestedPortal, Visitor, free_port, portal_for_tests

ADDRESS = f"{ADA}@lantern.example"


def opt_out(portal: TestedPortal) -> Visitor:
    ada = portal.member(ADA)
    ada.get("/photos")
    ada.post("/opt-outs", {"uid": ["ada-1", "ada-2"]})
    return ada


def promised(portal: TestedPortal) -> list[Outbox]:
    with portal.workplace.reading() as session:
        return list(session.scalars(select(Outbox).where(Outbox.topic == MAIL_RECEIPT).order_by(Outbox.id)))


def come_due(portal: TestedPortal, **values: Any) -> None:
    """Time passes."""
    with portal.workplace.writing.begin() as session:
        session.execute(update(Outbox).where(Outbox.topic == MAIL_RECEIPT).values(available_at=now(), **values))


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """What our own parts logged, tracebacks included; the mail server of the tests logs all that it is told."""
    return "\n".join(caplog.handler.format(record) for record in caplog.records if record.name != "mail.log")


def audited(portal: TestedPortal, action: str) -> list[AuditEvent]:
    with portal.workplace.reading() as session:
        return list(session.scalars(select(AuditEvent).where(AuditEvent.action == action)))


def test_each_step_of_an_opt_out_is_mailed_with_its_receipt(mailing: TestedPortal, inbox: Inbox):
    ada = opt_out(mailing)
    mailing.settle()
    page = ada.get("/requests").text
    assert f"mailed to <b>{ADDRESS}</b>" in ada.get(re.search(r'href="(/requests/[^"]+)"', page)[1]).text
    ada.post(re.search(r'action="(/requests/[^"]+/withdraw)"', ada.page)[1])
    mailing.settle()
    subjects = [mail["Subject"].partition(": ")[2] for mail in inbox.mails]
    assert sorted(subjects) == ["filed", "in the exclusion list", "withdrawn"]
    assert inbox.envelopes == [("privacy@lantern.example", [ADDRESS])] * 3
    assert len(audited(mailing, "receipt.mailed")) == 3
    key = VerifyKey.load(mailing.config.keys_dir / "log.vkey")
    for mail in inbox.mails:
        [attachment] = mail.iter_attachments()
        statement, _ = Receipt.parse(attachment.get_content()).verify(key)
        assert statement.photos == ("ada-1", "ada-2")
        assert attachment.get_filename() == f"receipt-{statement.reference}-{statement.kind}.json"
        text = mail.get_body(("plain",)).get_content()
        links = re.findall(rf"{re.escape(mailing.config.base_url)}(/\S+)", text)
        assert [mailing.visitor().get(link).status_code for link in links] == [200, 200]
        shown = Receipt.parse(mailing.visitor().get(f"{links[1]}.json").data)
        assert shown.envelope == Receipt.parse(attachment.get_content()).envelope


def test_the_address_is_asked_for_shown_and_kept_where_mail_is_sent(mailing: TestedPortal):
    asked = parse_qs(urlsplit(mailing.visitor().get("/auth/sign-in").location).query)
    assert asked["scope"] == ["openid profile email"]
    assert ADDRESS in mailing.member(ADA).get("/account").text


def test_where_no_mail_is_sent_no_address_is_asked_for_and_none_kept(portal: TestedPortal):
    asked = parse_qs(urlsplit(portal.visitor().get("/auth/sign-in").location).query)
    assert asked["scope"] == ["openid profile"]
    ada = opt_out(portal)
    assert "no e‑mail address" in ada.get("/account").text
    portal.settle()
    assert promised(portal) == []
    with portal.workplace.reading() as session:
        assert session.scalars(select(Account.email)).all() == [""]


@pytest.mark.parametrize(
    ("claims", "address"),
    [
        ({"email": ADDRESS, "email_verified": True}, ADDRESS),
        ({"email": ADDRESS, "email_verified": False}, ""),
        ({"email": ADDRESS, "email_verified": "true"}, ""),
        ({"email": ADDRESS}, ""),
        ({"email": f"{ADDRESS}\r\nBcc: x@y", "email_verified": True}, ""),
        ({"email": ["a@b"], "email_verified": True}, ""),
        ({}, ""),
    ],
)
def test_an_address_counts_when_the_provider_confirmed_it(claims: dict[str, Any], address: str):
    assert confirmed_address(claims) == address


def test_linking_and_unlinking_a_sign_in_is_mailed_to_the_accounts_own_address(mailing: TestedPortal, inbox: Inbox):
    ada = mailing.member(ADA)
    ada.link(ADA, "hana.kim")
    mailing.member("hana.kim")  # whose address does not take the account's place
    linked = re.search(r'action="(/account/identities/\d+/unlink)"', ada.get("/account/link").text)
    ada.post(linked[1])
    mailing.settle()
    assert [mail["Subject"] for mail in inbox.mails] == [
        "A sign-in was linked to your account",
        "A sign-in was unlinked from your account",
    ]
    assert {recipient for _, recipients in inbox.envelopes for recipient in recipients} == {ADDRESS}
    text = inbox.mails[0].get_content()
    assert "The sign-in hana.kim was linked to your account" in text
    assert f"{mailing.config.base_url}/account" in text
    assert len(audited(mailing, "notice.mailed")) == 2


def test_a_dead_mail_server_is_waited_for(tmp_path: Path, database_url: str, member_catalogues: Path, caplog: pytest.LogCaptureFixture):
    port = free_port()
    settings = {"smtp_url": f"smtp://127.0.0.1:{port}", "mail_from": SENDER}
    with portal_for_tests(tmp_path, database_url, member_catalogues, **settings) as portal:
        opt_out(portal)
        portal.settle()
        assert [row.done_at for row in promised(portal)] == [None, None]
        assert all("MailServerAway" in row.last_error for row in promised(portal))
        assert ADDRESS not in logged(caplog) + str([row.last_error for row in promised(portal)])
        with smtp_server(port=port) as inbox:
            come_due(portal)
            portal.settle()
        assert len(inbox.mails) == 2
        assert all(row.done_at for row in promised(portal))


def test_a_recipient_refused_for_good_ends_with_a_line_in_the_audit_trail(
    mailing: TestedPortal, inbox: Inbox, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    inbox.rcpt = "550 5.1.1 <{address}> is unknown here"
    opt_out(mailing)
    mailing.settle()
    assert all(row.done_at for row in promised(mailing))
    refusals = audited(mailing, "receipt.refused")
    assert [event.detail["code"] for event in refusals] == [550, 550]
    assert ADDRESS not in logged(caplog) + str([(event.subject, event.detail) for event in refusals])


def test_a_recipient_refused_for_now_is_tried_for_days(mailing: TestedPortal, inbox: Inbox, caplog: pytest.LogCaptureFixture):
    inbox.rcpt = "450 4.2.1 <{address}> later"
    opt_out(mailing)
    mailing.settle()
    assert [row.done_at for row in promised(mailing)] == [None, None]
    come_due(mailing, created_at=now() - timedelta(days=6))
    mailing.settle()
    assert [event.detail["code"] for event in audited(mailing, "receipt.refused")] == [450, 450]
    assert ADDRESS not in logged(caplog)


def test_a_mail_that_is_sent_twice_is_known_as_the_same(mailing: TestedPortal, inbox: Inbox):
    """As when the worker died between the server's yes and its own note."""
    opt_out(mailing)
    mailing.settle()
    come_due(mailing, done_at=None)
    mailing.settle()
    ids = [mail["Message-ID"] for mail in inbox.mails]
    assert (len(ids), len(set(ids))) == (4, 2)


def test_who_closed_their_account_or_has_no_address_any_more_gets_nothing(mailing: TestedPortal, inbox: Inbox):
    opt_out(mailing)
    with mailing.workplace.writing.begin() as session:
        session.execute(update(Account).values(closed_at=now()))
    mailing.settle()
    assert (inbox.mails, [bool(row.done_at) for row in promised(mailing)]) == ([], [True, True])
    with mailing.workplace.writing.begin() as session:
        session.execute(update(Account).values(closed_at=None, email=""))
    come_due(mailing, done_at=None)
    mailing.settle()
    assert inbox.mails == []


def test_without_the_logs_checkpoint_there_is_nothing_to_send_yet(mailing: TestedPortal, tmp_path: Path):
    opt_out(mailing)
    mailing.settle()
    empty = LogReader(DirectorySource(tmp_path / "nowhere").read, VerifyKey.load(mailing.config.keys_dir / "log.vkey"))
    with mailing.workplace.reading() as session:
        filed = session.scalars(select(LogEntry.id).where(LogEntry.kind == LogKind.OPT_OUT_FILED)).one()
        with pytest.raises(ReceiptNotReady):
            compose_receipt(session, empty, filed, Sender(SENDER, "Lantern", "https://demur.example"), now())
