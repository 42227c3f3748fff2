"""What the platform tells: a photo deleted, made private or public again, an account closed. Such photos exclude by themselves."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from demur.errors import DemurError
from demur.text_rules import text_fault
from models import Account, EndedBy, OptOut, OptOutOrigin, OptOutScope, PlatformEvent
from rights import audit, outbox
from rights.denials import DenialReason, end_for
from rights.locks import lock_entries_shared, lock_platform_events
from rights.optouts import PROPAGATE_OPT_OUTS
from rights.sessions import end_sessions
from rights.withdrawals import Ending, end_opt_outs


class EventKind(StrEnum):
    PHOTO_DELETED = "photo_deleted"
    PHOTO_MADE_PRIVATE = "photo_made_private"
    PHOTO_MADE_PUBLIC = "photo_made_public"
    ACCOUNT_CLOSED = "account_closed"


TAKEN_AWAY = frozenset({EventKind.PHOTO_DELETED, EventKind.PHOTO_MADE_PRIVATE})
AHEAD = timedelta(minutes=5)
"""How far clocks of the platform may be apart, from ours and from each other."""
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


class BadPlatformEvent(DemurError):
    """An event about a photo names no uid, or names no owner; its texts cannot be stored; or its date cannot be true."""


class Outcome(StrEnum):
    APPLIED = "applied"
    KNOWN = "known"  # the same event came before
    IGNORED = "ignored"  # what happened later to the photo arrived before, and counts


@dataclass(frozen=True)
class Event:
    """One event as the platform sent it. ``event_id`` is the platform's own; ``uid`` is empty for ACCOUNT_CLOSED."""

    event_id: str
    kind: EventKind
    owner: str
    uid: str
    occurred_at: datetime


def receive_event(session: Session, event: Event, now: datetime) -> Outcome:
    """Takes an event in. Events may arrive in any order. Raises BadPlatformEvent."""
    _check(event, now)
    lock_platform_events(session)
    if not _remember(session, event, now):
        return Outcome.KNOWN
    audit.record(session, audit.PLATFORM, f"platform.{event.kind}", event.event_id, {}, now)
    if event.kind is EventKind.ACCOUNT_CLOSED:
        _close_accounts(session, event.owner, now)
        _file(session, OptOutScope.OWNER, event, now)
    elif _overtaken(session, event):
        return Outcome.IGNORED
    elif event.kind in TAKEN_AWAY:
        _file(session, OptOutScope.PHOTO, event, now)
    else:
        _end(session, event, now)
    return Outcome.APPLIED


def _check(event: Event, now: datetime) -> None:
    if not event.event_id or not event.owner or bool(event.uid) is (event.kind is EventKind.ACCOUNT_CLOSED):
        raise BadPlatformEvent("an event needs an id and an owner, and a uid exactly when it is about a photo")
    for name, text in (("event_id", event.event_id), ("owner", event.owner), ("uid", event.uid)):
        if fault := text_fault(text, "uid"):
            raise BadPlatformEvent(f"{name} {fault}")
    if event.occurred_at > now + AHEAD:
        raise BadPlatformEvent("occurred_at is more than five minutes in the future")
    if event.occurred_at < EARLIEST:
        raise BadPlatformEvent("occurred_at is before 1990")


def _remember(session: Session, event: Event, now: datetime) -> bool:
    row = PlatformEvent(
        event_id=event.event_id, kind=event.kind, owner=event.owner, uid=event.uid, occurred_at=event.occurred_at, received_at=now
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:  # the same event, sent again
        return False
    return True


def _overtaken(session: Session, event: Event) -> bool:
    """Whether the contrary of what this event says about the photo happened later, and arrived before.

    Nothing happened after it arrived, whatever its date says. Where the order is in doubt, the photo stays out: one that was taken away and
    one that was made public within AHEAD of each other, or at once.
    """
    same = (PlatformEvent.owner == event.owner, PlatformEvent.uid == event.uid)
    is_taken_away = event.kind in TAKEN_AWAY
    contrary = PlatformEvent.kind == EventKind.PHOTO_MADE_PUBLIC if is_taken_away else PlatformEvent.kind.in_(TAKEN_AWAY)
    times = session.execute(select(PlatformEvent.occurred_at, PlatformEvent.received_at).where(*same, contrary)).all()
    latest = max((min(occurred, received) for occurred, received in times), default=None)
    if latest is None:
        return False
    return latest > event.occurred_at + AHEAD if is_taken_away else latest >= event.occurred_at


def _file(session: Session, scope: OptOutScope, event: Event, now: datetime) -> None:
    opt_out = OptOut(origin=OptOutOrigin.PLATFORM, scope=scope, owner=event.owner, subject=event.uid, note=event.kind.value, filed_at=now)
    try:
        with session.begin_nested():
            session.add(opt_out)
    except IntegrityError:  # it stands already, by an earlier event
        return
    outbox.add(session, PROPAGATE_OPT_OUTS, {"opt_out_id": opt_out.id}, now)


def _end(session: Session, event: Event, now: datetime) -> None:
    lock_entries_shared(session)
    standing = select(OptOut).where(
        OptOut.origin == OptOutOrigin.PLATFORM,
        OptOut.scope == OptOutScope.PHOTO,
        OptOut.owner == event.owner,
        OptOut.subject == event.uid,
        OptOut.withdrawn_at.is_(None),
    )
    end_opt_outs(session, session.scalars(standing.with_for_update()).all(), Ending(EndedBy.PLATFORM), now)


def _close_accounts(session: Session, owner: str, now: datetime) -> None:
    """Closes accounts all of whose photos belong to the closed one; someone who linked another identity stays."""
    for account in session.scalars(select(Account).where(Account.identities.any(owner=owner))):
        if account.owners == (owner,):
            account.closed_at, account.email = now, ""
            _end_pictures(session, owner, now)
            end_sessions(session, account)


def _end_pictures(session: Session, owner: str, now: datetime) -> None:
    """Ends the opt-outs of pictures that the person looked up: nobody is left who says that they are theirs. Their photos stay out."""
    lock_entries_shared(session)
    looked_up = (OptOut.origin == OptOutOrigin.MEMBER, OptOut.scope == OptOutScope.PICTURE, OptOut.owner == owner)
    active = select(OptOut).where(*looked_up, OptOut.withdrawn_at.is_(None)).order_by(OptOut.id).with_for_update()
    opt_outs = session.scalars(active.execution_options(populate_existing=True)).all()
    if opt_outs:
        end_for(session, opt_outs, EndedBy.PLATFORM, DenialReason.INSUFFICIENT_VERIFICATION, now)
