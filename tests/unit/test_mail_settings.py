"""Settings of the mail server, and how wrong ones are told: without the password in them."""

import pytest
from pydantic import ValidationError

from config import MAIL_ADDRESS, Config, MailServer, Tls

SENDER = "Lantern <privacy@lantern.example>"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", MailServer("mail.example", 25, Tls.OFFERED)),
        ("smtp://mail.example:587/?starttls=always", MailServer("mail.example", 587, Tls.ALWAYS)),
        ("smtp://127.0.0.1?starttls=never", MailServer("127.0.0.1", 25, Tls.NEVER)),
        ("smtps://mail.example", MailServer("mail.example", 465, Tls.FROM_THE_START)),
        ("smtps://a%40b:p%40ss%2Fw%3Ard@[::1]:2465", MailServer("::1", 2465, Tls.FROM_THE_START, "a@b", "p@ss/w:rd")),
    ],
)
def test_mail_servers(url: str, server: MailServer):
    assert MailServer.parse(url) == server
    assert Config(smtp_url=url, mail_from=SENDER).mail_server == server


@pytest.mark.parametrize(
    "url",
    [
        "mail.example",
        "http://mail.example",
        "smtp://",
        "smtp://u:secret@mail.example:many",
        "smtp://u:secret@mail.example/inbox",
        "smtp://u:secret@mail.example?starttls",
        "smtp://u:secret@mail.example?starttls=maybe",
        "smtp://u:secret@mail.example?starttls=from_the_start",
        "smtp://u:secret@mail.example?tls=always",
        "smtps://u:secret@mail.example?starttls=always",
    ],
)
def test_what_is_no_mail_server_is_told_without_its_password(url: str):
    with pytest.raises(ValidationError) as told:
        Config(smtp_url=url, mail_from=SENDER)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("sender", ["", "Lantern", "Lantern <>", "a@b\nBcc: c@d", "a@lantern.example, b@lantern.example", "A, B <a@b>"])
def test_there_is_a_sender_where_there_is_a_server(sender: str):
    with pytest.raises(ValidationError):
        Config(smtp_url="smtp://mail.example", mail_from=sender)


def test_without_a_server_there_is_no_mail():
    assert Config().mail_server is None
    with pytest.raises(ValidationError):
        Config(mail_from=SENDER)


def test_a_password_is_not_shown():
    assert "secret" not in repr(MailServer.parse("smtp://u:secret@mail.example"))


@pytest.mark.parametrize("address", ["a@b", "a.b+c@mail.example", "o'hara@x-y.example"])
def test_addresses(address: str):
    assert MAIL_ADDRESS.fullmatch(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "@b",
        "a@",
        "a@b c",
        "a@b\r\nRCPT TO:<c@d>",
        "a@b>",
        "ä@b",
        "a@-b",
        '"a b"@c',
        "a" * 65 + "@b",
        "=?utf-8?q?victim?=@b.c",
        "a@b..c",
        "a..b@c",
        ".a@b",
        "a.@b",
        "a@b-.c",
        "a@.b",
        "a@" + "b" * 254,
    ],
    ids=repr,
)
def test_no_addresses(address: str):
    assert not MAIL_ADDRESS.fullmatch(address)
