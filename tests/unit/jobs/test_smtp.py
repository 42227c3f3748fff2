"""Handing mail to a real SMTP server: in the clear, encrypted, logged in, and refused."""

import socket
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest

from config import MailServer
from jobs.smtp import MailRefused, MailServerAway, send
from tests.support.mail import PASSWORD, USER, Inbox, smtp_server, write_certificate
from tests.support.portals import free_port

RECIPIENT = "amara@lantern.example"
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@"


@pytest.fixture
def mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = '"Lantern, Privatsphäre" <privacy@lantern.example>', RECIPIENT, "Grüße"
    mail.set_content("Grüße\n.\nand more\n")
    return mail


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that this machine trusts."""
    path = write_certificate(tmp_path / "server.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


def hand_over(inbox: Inbox, mail: EmailMessage, query: str = "", *, login: str = "", scheme: str = "smtp") -> None:
    send(MailServer.parse(f"{scheme}://{login}127.0.0.1:{inbox.port}{query}"), mail)


def test_a_mail_arrives_as_it_was_written(mail: EmailMessage):
    with smtp_server() as inbox:
        hand_over(inbox, mail)
    assert inbox.envelopes == [("privacy@lantern.example", [RECIPIENT])]
    [arrived] = inbox.mails
    assert (arrived["Subject"], arrived["From"], arrived.get_content().splitlines()) == ("Grüße", mail["From"], ["Grüße", ".", "and more"])


def test_it_is_encrypted_where_that_is_offered(mail: EmailMessage, certificate: Path):
    with smtp_server(certificate) as inbox:
        hand_over(inbox, mail)
        hand_over(inbox, mail, "?starttls=always")
        hand_over(inbox, mail, "?starttls=never")
    assert inbox.encrypted == [True, True, False]
    with smtp_server(certificate, wrapped=True) as inbox:
        hand_over(inbox, mail, scheme="smtps")
    assert inbox.encrypted == [True]


def test_without_the_encryption_asked_for_nothing_is_handed_over(mail: EmailMessage):
    with smtp_server() as inbox:
        with pytest.raises(MailServerAway, match="SMTPNotSupportedError"):
            hand_over(inbox, mail, "?starttls=always")
        with pytest.raises(MailServerAway, match="SSLError"):
            hand_over(inbox, mail, scheme="smtps")
    assert inbox.mails == []


def test_a_server_that_cannot_prove_its_name_gets_nothing(mail: EmailMessage, tmp_path: Path):
    with smtp_server(write_certificate(tmp_path / "unknown.pem")) as inbox, pytest.raises(MailServerAway, match="SSLCertVerificationError"):
        hand_over(inbox, mail)
    assert inbox.mails == []


def test_the_password_is_sent_encrypted_or_where_the_operator_says_so(mail: EmailMessage, certificate: Path):
    with smtp_server(certificate, login=True) as inbox:
        hand_over(inbox, mail, login=LOGIN)
        with pytest.raises(MailServerAway, match="SMTPAuthenticationError 535"):
            hand_over(inbox, mail, login=f"{USER}:wrong@")
        with pytest.raises(MailServerAway):
            hand_over(inbox, mail)
    assert (len(inbox.mails), set(inbox.logins)) == (1, {USER})
    with smtp_server(login=True) as inbox:
        with pytest.raises(MailServerAway, match="not sent in the clear"):
            hand_over(inbox, mail, login=LOGIN)
        assert inbox.logins == []
        hand_over(inbox, mail, "?starttls=never", login=LOGIN)
    assert len(inbox.mails) == 1


@pytest.mark.parametrize(
    ("reply", "for_good"),
    [("550 no such user {address}", True), ("553 5.1.3 bad", True), ("450 4.2.1 greylisted", False), ("421 busy", False)],
)
def test_a_recipient_may_be_refused_for_now_or_for_good(mail: EmailMessage, reply: str, for_good: bool):
    with smtp_server() as inbox:
        inbox.rcpt = reply
        with pytest.raises(MailRefused) as refused:
            hand_over(inbox, mail)
        assert (refused.value.code, refused.value.for_good) == (int(reply[:3]), for_good)
        inbox.rcpt = ""
        inbox.data = f"554 no mail for {RECIPIENT}"
        with pytest.raises(MailRefused) as refused:
            hand_over(inbox, mail)
        assert refused.value.for_good
    assert inbox.mails == []


def test_a_dead_server_is_told_of_without_the_address(mail: EmailMessage):
    with pytest.raises(MailServerAway, match="ConnectionRefusedError") as away:
        send(MailServer.parse(f"smtp://127.0.0.1:{free_port()}"), mail)
    assert RECIPIENT not in str(away.value)
    assert away.value.__cause__ is None


def test_no_error_repeats_what_the_server_said(mail: EmailMessage):
    for rcpt, data in (("550 unknown: {address}", ""), ("", f"554 {RECIPIENT} is full")):
        with smtp_server() as inbox:
            inbox.rcpt, inbox.data = rcpt, data
            with pytest.raises(MailRefused) as refused:
                hand_over(inbox, mail)
            assert RECIPIENT not in repr(refused.value)
            assert refused.value.__suppress_context__, "a traceback in the log would tell the cause's words"


def test_a_server_that_says_nothing_is_given_up(mail: EmailMessage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.smtp.TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(MailServerAway, match="SMTPServerDisconnected"):
        send(MailServer.parse(f"smtp://127.0.0.1:{silent.getsockname()[1]}"), mail)


@pytest.mark.parametrize("address", ["a@b..c", "a@b, c@d", ""])
def test_what_a_parser_makes_another_address_of_is_mailed_to_nobody(address: str):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "privacy@lantern.example", address, "x"
    with smtp_server() as inbox, pytest.raises(MailRefused) as refused:
        hand_over(inbox, mail)
    assert refused.value.for_good
    assert inbox.envelopes == []
