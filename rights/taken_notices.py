"""Mails to owners whose photos other people's opt-outs took out: one a day at most, however many photos, and never by whom.

A photo is told of once (``told_at``). The mail is promised when the first photo is taken, and waits a little for those that come with it,
or until a day after the last one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from textwrap import fill

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from models import Account, Identity, OptOut, OptOutMatch
from rights import outbox
from rights.batches import batched
from rights.notices import WIDTH, Sender, new_mail
from rights.taken import taken_from

GATHERING = timedelta(minutes=5)
A_DAY = timedelta(days=1)


def promise_notices(session: Session, owners: Collection[str], now: datetime) -> None:
    """Promises a mail to everyone of these owners of whom a confirmed address is known."""
    for some in batched(sorted(owners)):
        told = select(Account).where(Account.identities.any(Identity.owner.in_(some)), Account.email != "", Account.closed_at.is_(None))
        for account in session.scalars(told.order_by(Account.id)):
            _promise(session, account, now)


def _promise(session: Session, account: Account, now: datetime, *, but: int | None = None) -> None:
    last = _last(session, account.owners, now)
    at = max(now + GATHERING, last + A_DAY) if last else now + GATHERING
    outbox.add_turn(session, outbox.MAIL_TAKEN_NOTICE, str(account.id), {"account_id": account.id}, now, but=but, at=at)


def _last(session: Session, owners: Sequence[str], now: datetime) -> datetime | None:
    """When these owners were last mailed. What a clock that was ahead wrote down holds nothing up."""
    return session.scalar(select(func.max(OptOutMatch.told_at)).where(OptOutMatch.owner.in_(owners), OptOutMatch.told_at <= now))


@dataclass(frozen=True)
class TakenNotice:
    """``matches``: ids of what it tells of."""

    mail: EmailMessage
    matches: tuple[int, ...]


def compose_taken_notice(session: Session, account_id: int, sender: Sender, outbox_id: int, now: datetime) -> TakenNotice | None:
    """None where there is no address any more, nothing new to tell, or a mail of less than a day ago (``note_told`` promises another)."""
    account = session.get(Account, account_id)
    if account is None or not _may_be_told(account) or _too_soon(session, account, now):
        return None
    rows = session.execute(_untold(account.owners)).all()
    if not rows:
        return None
    photos = len({uid for _, uid in rows})
    mail = new_mail(sender, account.email, _subject(photos), f"taken notice {outbox_id}", now)
    mail.set_content(_text(photos, sender))
    return TakenNotice(mail, tuple(match_id for match_id, _ in rows))


def note_told(session: Session, account_id: int, notice: TakenNotice | None, outbox_id: int, now: datetime) -> None:
    """Writes down what was told, and promises what was not: too soon after the last mail, or taken since this one was composed. Whoever
    took it relies on this very promise, ``outbox_id``, which ends now."""
    for some in batched(notice.matches if notice else ()):
        session.execute(update(OptOutMatch).where(OptOutMatch.id.in_(some)).values(told_at=now))
    account = session.get(Account, account_id)
    if account is not None and _may_be_told(account) and session.execute(_untold(account.owners).limit(1)).first():
        _promise(session, account, now, but=outbox_id)


def _may_be_told(account: Account) -> bool:
    return bool(account.email) and account.closed_at is None


def _untold(owners: Sequence[str]) -> Select[int, str]:
    """Ids and uids of what was taken from these owners, and not told to them."""
    match = OptOutMatch
    taken = select(match.id, match.uid).join(OptOut, match.opt_out_id == OptOut.id).where(*taken_from(owners), match.told_at.is_(None))
    return taken.order_by(match.id)


def _too_soon(session: Session, account: Account, now: datetime) -> bool:
    last = _last(session, account.owners, now)
    return last is not None and last + A_DAY > now


def _subject(photos: int) -> str:
    """A locked telephone shows it, so it names no photo."""
    return "A photo of yours was taken out of training" if photos == 1 else f"{photos:,} photos of yours were taken out of training"


def _text(photos: int, sender: Sender) -> str:
    base, one = sender.base_url.rstrip("/"), photos == 1
    are, it = ("A photo of yours is", "it") if one else (f"{photos:,} photos of yours are", "them")
    news = (
        f"{are} going into the exclusion list, because someone else opted out a picture that looks the same. Training that obeys the "
        f"list leaves {it} out. Most often the same picture was posted twice. We do not say who opted it out."
    )
    advice = (
        f"Is that all right? Then nothing is to be done. If not, sign in and put {it} back from this page. It happens at once, and a "
        "person looks at the opt-out:"
    )
    why = (
        f"{sender.operator} sends this because photos that you posted are concerned. There is one such mail a day at most, however many "
        "photos there are."
    )
    return "\n\n".join((fill(news, WIDTH), f"{fill(advice, WIDTH)}\n{base}/taken-out", f"-- \n{fill(why, WIDTH)}")) + "\n"
