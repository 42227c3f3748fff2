"""What mails say. Whether they arrive is in tests/functional/test_mailed_receipts.py."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from demur.receipts import LogKind, Statement
from demur.runs import ListReference
from rights.notices import Sender, receipt_mail
from tests.factories import NOW

SENDER = Sender('"Lantern, Privatsphäre" <privacy@lantern.example>', "Lantern’s photo platform", "https://demur.lantern.example/")
LIST = ListReference("lantern", 7, "a" * 64, NOW)
FILED = Statement(LogKind.OPT_OUT_FILED, NOW, "DM-7Q4K-92XB", photos=("ph1", "ph2"))
LISTED = Statement(LogKind.OPT_OUT_LISTED, NOW, "DM-7Q4K-92XB", photos=("ph1",), pictures=("b" * 64,), exclusion_list=LIST)
WITHDRAWN = Statement(LogKind.OPT_OUT_WITHDRAWN, NOW, "DM-7Q4K-92XB", owners=("ada",))
PUBLIC_ID = "the-secret-id-of-the-entry"


def written(statement: Statement, public_id: str = PUBLIC_ID) -> EmailMessage:
    """As it arrives."""
    mail = receipt_mail(statement, public_id=public_id, recipient="ada@lantern.example", sender=SENDER, attachment=b'{"a": 1}\n', now=NOW)
    arrived = message_from_bytes(mail.as_bytes(), policy=default)
    assert isinstance(arrived, EmailMessage)
    return arrived


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return " ".join(body.get_content().split())


@pytest.mark.parametrize(
    ("statement", "subject", "words"),
    [
        (FILED, "Your opt-out DM-7Q4K-92XB: filed", "We have your opt-out DM-7Q4K-92XB, of 2 photos. It is on its way"),
        (
            LISTED,
            "Your opt-out DM-7Q4K-92XB: in the exclusion list",
            "of 1 photo and 1 looked-up picture, is in the exclusion list since",
        ),
        (WITHDRAWN, "Your opt-out DM-7Q4K-92XB: withdrawn", "You took back your opt-out DM-7Q4K-92XB, of all your photos, now and later."),
    ],
    ids=lambda value: value.kind if isinstance(value, Statement) else "",
)
def test_each_step_is_told_in_plain_words(statement: Statement, subject: str, words: str):
    mail = written(statement)
    assert mail["Subject"] == subject
    assert words in text_of(mail)


@pytest.mark.parametrize("statement", [FILED, LISTED, WITHDRAWN], ids=lambda statement: statement.kind)
def test_it_says_where_it_comes_from_why_and_where_it_is_checked(statement: Statement):
    mail = written(statement)
    assert (mail["From"], mail["To"]) == (SENDER.address, "ada@lantern.example")
    assert mail["Date"].datetime == datetime(2026, 11, 21, 14, 2, tzinfo=UTC)
    assert mail["Auto-Submitted"] == "auto-generated"
    text = text_of(mail)
    assert f"https://demur.lantern.example/verify?receipt={PUBLIC_ID} " in text
    assert f"https://demur.lantern.example/receipts/{PUBLIC_ID} " in text
    assert "Lantern’s photo platform sends this because it happened to an opt-out of yours at https://demur.lantern.example" in text


def test_neither_headers_nor_text_name_a_photo():
    mail = written(FILED)
    assert "ph1" not in mail.as_string().partition("application/json")[0]


def test_the_receipt_is_attached_unchanged():
    [attachment] = written(LISTED).iter_attachments()
    assert attachment.get_filename() == "receipt-DM-7Q4K-92XB-opt_out_listed.json"
    assert (attachment.get_content_type(), attachment.get_content()) == ("application/json", b'{"a": 1}\n')


def test_a_repeat_is_known_by_its_id_which_opens_nothing():
    assert written(FILED)["Message-ID"] == written(FILED)["Message-ID"]
    assert written(FILED)["Message-ID"] != written(FILED, "another entry")["Message-ID"]
    assert written(FILED)["Message-ID"].endswith("@lantern.example>")
    assert PUBLIC_ID not in str(written(FILED).items())
