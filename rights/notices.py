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

from sqlalchemy import func, select
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
    about = f"Your opt-out {statement.reference}" if statement.reference else "Your photos"
    mail = new_mail(sender, recipient, f"{about}: {title}", public_id, now)
    mail.set_content(_text(statement, news, public_id, sender))
    mail.add_attachment(attachment, maintype="application", subtype="json", filename=file_name(statement))
    return mail


def new_mail(sender: Sender, recipient: str, subject: str, known_by: str, now: datetime) -> EmailMessage:
    """A mail without its text. ``known_by``: of each mail its own, and the same when that one is sent again."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = subject
    mail["From"] = sender.address
    mail["To"] = recipient
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message_id(known_by, mail["From"].addresses[0].domain)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine is to answer
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
        "ended",
        "Your opt-out {reference}, of {subjects}, was ended. From the next version of the exclusion list on, it keeps nothing out. The "
        "page of your request says by whom, and why. If that is wrong, answer the operator, or complain to your data protection authority.",
    ),
    LogKind.OPT_OUT_HELD: (
        "a person looks at it",
        "Your opt-out {reference}, of {subjects}, would take photos out that other members posted. So a person looks at it first. Until "
        "then it takes nothing of theirs out; your own photos stay out. The page of your request says why, and how it goes on.",
    ),
    LogKind.OPT_OUT_RELEASED: (
        "copies of others go, too",
        "A person looked at your opt-out {reference}, of {subjects}, and takes copies out that other members posted. They go into the "
        "exclusion list with its next version.",
    ),
    LogKind.OPT_OUT_LIMITED: (
        "copies of others stay",
        "A person looked at your opt-out {reference}, of {subjects}, and left photos in that other members posted. Your own photos stay "
        "out. If that is wrong, answer the operator, or complain to your data protection authority.",
    ),
    LogKind.PHOTO_CONTESTED: (
        "put back",
        "You said that {subjects} of yours should not be out because of somebody else’s opt-out. From the next version of the exclusion "
        "list on, that one keeps nothing of yours out. A person looks at it, and we write to you how they decide.",
    ),
    LogKind.CONTEST_ACCEPTED: (
        "put back for good",
        "Somebody else’s opt-out had taken {subjects} of yours out. It does not take them out again: a person agrees with you, or that "
        "opt-out has ended.",
    ),
    LogKind.CONTEST_REFUSED: (
        "out again",
        "A person looked at {subjects} of yours that somebody else’s opt-out had taken out, and decided against you: from the next "
        "version of the exclusion list on, training leaves that out. If it is wrong, answer the operator, or complain to your data "
        "protection authority.",
    ),
}
"""Of each statement that is mailed: what the subject says, and what the mail says first."""


def _text(statement: Statement, news: str, public_id: str, sender: Sender) -> str:
    base, listed = sender.base_url.rstrip("/"), statement.exclusion_list
    concerned = "an opt-out of yours" if statement.reference else "photos of yours"
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
            f"{sender.operator} sends this because it happened to {concerned} at {base}, where you sign in with this address. There is one "
            "mail for each step of an opt-out or of a photo that you contest, one when a sign-in is linked to your account or unlinked, "
            "and one a day at most when others’ opt-outs take photos of yours out; no other.",
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
    mail = new_mail(sender, account.email, subject, f"account notice {outbox_id}", now)
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
    known_as = func.coalesce(RightsRequest.public_id, Account.public_id)
    subject = select(LogEntry.kind, known_as).outerjoin(RightsRequest, LogEntry.request_id == RightsRequest.id)
    of_account = subject.outerjoin(Account, LogEntry.account_id == Account.id)
    kind, public_id = session.execute(of_account.where(LogEntry.id == entry_id)).one()
    if refusal is None:
        audit.record(session, audit.SYSTEM, "receipt.mailed", public_id, {"kind": kind}, now)
    else:
        audit.record(session, audit.SYSTEM, "receipt.refused", public_id, {"kind": kind, "code": refusal}, now)


def _recipient(session: Session, entry: LogEntry) -> str:
    """Whom the entry is about, or who filed its request, unless they closed their account since."""
    filed_by = select(RightsRequest.account_id).where(RightsRequest.id == entry.request_id).scalar_subquery()
    account_id = filed_by if entry.account_id is None else entry.account_id
    return session.scalar(select(Account.email).where(Account.id == account_id, Account.closed_at.is_(None))) or ""
