"""The worker that mails receipts is killed between the mail server's taking a mail and its own note of it."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from models import AuditEvent, Outbox
from rights.accounts import sign_in
from rights.optouts import Photos, file_opt_outs
from rights.outbox import MAIL_RECEIPT
from tests.support.brokers import Broker
from tests.support.mail import smtp_server
from tests.support.waiting import wait_until
from tests.support.workshop import Workshop, uids_of, workshop

ADDRESS = "someone@lantern.example"


def test_a_killed_mail_worker_loses_no_receipt_and_no_log_tells_to_whom(tmp_path: Path, database_url: str, broker: Broker):
    with smtp_server() as inbox, workshop(tmp_path, database_url, broker) as shop:
        shop.environment |= {"DEMUR_SMTP_URL": inbox.url, "DEMUR_MAIL_FROM": "Lantern <privacy@lantern.example>"}
        file_one(shop)
        inbox.busy = True
        for part in ("relay", "list-1", "notices-1"):
            shop.start(part)
        wait_until("the mail server has the first mail", lambda: inbox.mails)
        shop.kill("notices-1")
        inbox.busy = False
        shop.start("notices-2")
        wait_until("both receipts are noted as mailed", lambda: mailed(shop) == 2)
        ids = Counter(mail["Message-ID"] for mail in inbox.mails)
        assert (len(ids), max(ids.values())) == (2, 2), "the receipts of filing and of the list, the interrupted one twice under one id"
        assert [shop.stop(part) for part in ("relay", "list-1", "notices-2")] == [0, 0, 0], shop.logs()
        assert not [log.name for log in tmp_path.glob("*.log") if ADDRESS in log.read_text()]
        with shop.workplace.reading() as session:
            assert all(session.scalars(select(Outbox.done_at).where(Outbox.topic == MAIL_RECEIPT)))


def file_one(shop: Workshop) -> None:
    who = {"iss": "https://id.example", "sub": "owner0", "owner": "owner0", "display_name": "Owner", "email": ADDRESS}
    with shop.workplace.writing.begin() as session:
        account = sign_in(session, **who, now=datetime.now(UTC))
        file_opt_outs(session, shop.workplace.catalogues, account, Photos((uids_of("owner0")[0],)), now=datetime.now(UTC))


def mailed(shop: Workshop) -> int:
    with shop.workplace.reading() as session:
        return len(session.scalars(select(AuditEvent.id).where(AuditEvent.action == "receipt.mailed")).all())
