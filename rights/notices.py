"""What people are told by mail: that their opt-out was filed, took effect, or was taken back, each with its receipt; and that how they
sign in changed.

A mail goes out at least once. The mail server's yes and our own note of it cannot be one transaction: whatever dies in between, the mail
is sent again, for a receipt that comes twice does less harm than one that never comes. Both have the same Message-ID.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from textwrap import fill

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from demur.errors import DemurError
from demur.receipts import LogKind, Statement
from demur.tlog.reader import LogReader
from models import Account, LogEntry, RightsRequest
from rights import audit
from rights.receipts import file_name, receipt

WIDTH = 76


class ReceiptNotReady(DemurError):
    """The log does not hold the statement yet, so there is no receipt to send."""


@dataclass(frozen=True)
class Sender:
    """``address``: ``Name <address>``, or an address alone. ``operator``: its name. ``base_url``: where members reach the portal."""

    address: str
    operator: str
    base_url: str


def receipt_mail(statement: Statement, *, public_id: str, recipient: str, sender: Sender, attachment: bytes, now: datetime) -> EmailMessage:
    """The mail about one statement. Pure. Its subject, which a locked telephone shows, names no photo.

    Args:
        public_id: of the log entry: whoever has it may see the receipt.
        attachment: the receipt's file.
    """
    title, news = _NEWS[statement.kind]
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = f"Your opt-out {statement.reference}: {title}"
    mail["From"] = sender.address
    mail["To"] = recipient
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message_id(public_id, mail["From"].addresses[0].domain)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine is to answer
    mail.set_content(_text(statement, news, public_id, sender))
    mail.add_attachment(attachment, maintype="application", subtype="json", filename=file_name(statement))
    return mail


def message_id(public_id: str, domain: str) -> str:
    """The same for every sending of the same receipt. It passes through the logs of mail servers, so it does not tell the id."""
    return f"<receipt.{hashlib.sha256(public_id.encode()).hexdigest()[:32]}@{domain}>"


_NEWS = {
    LogKind.OPT_OUT_FILED: (
        "filed",
        "We have your opt-out {reference}, of {subjects}. It is on its way into the exclusion list. You get another mail when it is there.",
    ),
    LogKind.OPT_OUT_LISTED: (
        "in the exclusion list",
        "Your opt-out {reference}, of {subjects}, is in the exclusion list since version {version}. Training that obeys the list leaves "
        "out what it is about. A model that was trained before still contains what it learned, until the operator withdraws it.",
    ),
    LogKind.OPT_OUT_WITHDRAWN: (
        "withdrawn",
        "You took back your opt-out {reference}, of {subjects}. From the next version of the exclusion list on, it keeps nothing out.",
    ),
    LogKind.OPT_OUT_DENIED: (
        "ended by the operator",
        "The operator ended your opt-out {reference}, of {subjects}. From the next version of the exclusion list on, it keeps nothing out. "
        "The page of your request says why. If that is wrong, answer the operator, or complain to your data protection authority.",
    ),
}
"""Of each statement that is mailed: what the subject says, and what the mail says first."""


def _text(statement: Statement, news: str, public_id: str, sender: Sender) -> str:
    base, listed = sender.base_url.rstrip("/"), statement.exclusion_list
    told = news.format(reference=statement.reference, subjects=_subjects(statement), version=listed.version if listed else "")
    parts = (
        fill(told, WIDTH),
        fill(
            f"The attached file is the receipt. It proves that {sender.operator} stated so, and nobody needs to take our word for it: "
            "it is checked on this page, in the browser itself,",
            WIDTH,
        )
        + f"\n{base}/verify?receipt={public_id}",
        f"To read or print it:\n{base}/receipts/{public_id}",
        fill(
            "Whoever has these addresses sees what you opted out. Keep them to yourself, or give them to whom you want to prove it.", WIDTH
        ),
        "-- \n"
        + fill(
            f"{sender.operator} sends this because it happened to an opt-out of yours at {base}, where you sign in with this address. "
            "There is one mail for each step of an opt-out, and one when a sign-in is linked to your account or unlinked; no other.",
            WIDTH,
        ),
    )
    return "\n\n".join(parts) + "\n"


def _subjects(statement: Statement) -> str:
    """How much it is about. Which photos is in the receipt."""
    if statement.owners:
        return "all your photos, now and later"
    photos, pictures = len(statement.photos), len(statement.pictures)
    counted = [
        f"{number:,} {word}{'s' if number > 1 else ''}" for number, word in ((photos, "photo"), (pictures, "looked-up picture")) if number
    ]
    return " and ".join(counted)


def compose_receipt(session: Session, log: LogReader, entry_id: int, sender: Sender, now: datetime) -> EmailMessage | None:
    """The mail about a log entry; None when there is nobody, or no address any more, to send it to.

    Raises ReceiptNotReady, and what rights.receipts.receipt raises.
    """
    options = (undefer(LogEntry.statement), undefer(LogEntry.envelope))
    entry = session.get(LogEntry, entry_id, options=options)
    recipient = _recipient(session, entry) if entry is not None else ""
    if entry is None or not recipient:
        return None
    found = receipt(log, entry)
    if found is None:
        raise ReceiptNotReady("the transparency log does not hold the statement yet")
    statement = Statement.parse(entry.statement)
    attachment = found.to_json()
    return receipt_mail(statement, public_id=entry.public_id, recipient=recipient, sender=sender, attachment=attachment, now=now)


_CHANGED = {
    "identity.linked": (
        "A sign-in was linked to your account",
        "The sign-in {owner} was linked to your account: it opens your account now, and the photos of both are in one place.",
    ),
    "identity.unlinked": (
        "A sign-in was unlinked from your account",
        "The sign-in {owner} was unlinked from your account: it no longer opens your account, and its photos are no longer shown there.",
    ),
}
"""Of each change that is mailed: the subject, and what the mail says first."""


def compose_account_notice(
    session: Session, account_id: int, event: str, owner: str, sender: Sender, outbox_id: int, now: datetime
) -> EmailMessage | None:
    """The mail about a change of how someone signs in; None when there is no address any more to send it to."""
    account = session.get(Account, account_id)
    if account is None or not account.email or account.closed_at is not None:
        return None
    subject, news = _CHANGED[event]
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = subject
    mail["From"] = sender.address
    mail["To"] = account.email
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message_id(f"account notice {outbox_id}", mail["From"].addresses[0].domain)
    mail["Auto-Submitted"] = "auto-generated"
    page = f"{sender.base_url.rstrip('/')}/account"
    advice = f"Was it you? Then nothing is to be done. If it was not, sign in, sign out everywhere, and unlink it again:\n{page}"
    mail.set_content("\n\n".join((fill(news.format(owner=owner), WIDTH), advice, f"-- \n{sender.operator}")) + "\n")
    return mail


def note_account_notice(session: Session, account_id: int, refusal: int | None, now: datetime) -> None:
    """Writes down that the mail was sent, or refused for good with the mail server's reply code. Never to whom."""
    account = session.get_one(Account, account_id)
    action, detail = ("notice.mailed", {}) if refusal is None else ("notice.refused", {"code": refusal})
    audit.record(session, audit.SYSTEM, action, account.public_id, detail, now)


def note_mailed(session: Session, entry_id: int, refusal: int | None, now: datetime) -> None:
    """Writes down that the receipt was mailed; or that it was refused for good, with the mail server's reply code. Never to whom."""
    subject = select(LogEntry.kind, RightsRequest.public_id).join(RightsRequest, LogEntry.request_id == RightsRequest.id)
    kind, public_id = session.execute(subject.where(LogEntry.id == entry_id)).one()
    if refusal is None:
        audit.record(session, audit.SYSTEM, "receipt.mailed", public_id, {"kind": kind}, now)
    else:
        audit.record(session, audit.SYSTEM, "receipt.refused", public_id, {"kind": kind, "code": refusal}, now)


def _recipient(session: Session, entry: LogEntry) -> str:
    """Who filed the request, unless they closed their account since."""
    address = select(Account.email).join(RightsRequest, RightsRequest.account_id == Account.id)
    return session.scalar(address.where(RightsRequest.id == entry.request_id, Account.closed_at.is_(None))) or ""
