"""Who someone is here: one account, however many identities they sign in with."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from demur.errors import DemurError
from models import Account, Identity, OptOut, OptOutMatch
from rights import audit, outbox
from rights.locks import lock_entries_shared
from rights.naming import promise_search
from rights.sessions import end_sessions_of_identity


class IdentityTaken(DemurError):
    """The identity belongs to another account, and an identity has one account only."""


class NoOwnerKey(DemurError):
    """The provider did not say under which key this person's photos are filed; without it, rows of nobody would be theirs."""


class CannotUnlink(DemurError):
    """The identity is not this account's, or the account would be left without a way in, or without the one in use."""


def sign_in(session: Session, *, iss: str, sub: str, owner: str, display_name: str, email: str = "", now: datetime) -> Account:
    """The account of an identity, made at the first sign-in. Two first sign-ins at once give one account. Raises NoOwnerKey.

    ``email``: a confirmed address that receipts may be mailed to; none, and one that was known before is forgotten. Name and address are
    those of the account's first identity: one that was linked later changes neither.
    """
    _check_owner(owner)
    account = _account_of(session, iss, sub)
    if account is None:
        account = _new_account(session, iss=iss, sub=sub, owner=owner, display_name=display_name, now=now)
    identity = _identity(account, iss, sub)
    identity.owner = owner  # the provider knows best under which key it files this person's photos
    if identity is account.identities[0]:
        account.display_name = display_name
        account.email = email
    account.closed_at = None
    session.flush()
    return account


def link_identity(session: Session, account: Account, *, iss: str, sub: str, owner: str, now: datetime) -> bool:
    """Adds an identity to an account, and promises a mail about it. False where the account had it before.

    Raises IdentityTaken, NoOwnerKey.
    """
    _check_owner(owner)
    known = _account_of(session, iss, sub)
    if known is None:
        lock_entries_shared(session)
        try:
            with session.begin_nested():
                account.identities.append(Identity(iss=iss, sub=sub, owner=owner, linked_at=now))
        except IntegrityError:
            session.refresh(account)
            known = _account_of(session, iss, sub)
        else:
            _note(session, account, "identity.linked", iss, owner, now)
            _search_again(session, account.owners, now)
            return True
    if known is not account:
        raise IdentityTaken("this sign-in already has an account of its own here")
    return False


def unlink_identity(session: Session, account: Account, identity_id: int, *, in_use: tuple[str, str], now: datetime) -> Identity:
    """Takes an identity off an account and ends its sessions. What the account opted out stays. Raises CannotUnlink.

    From now on its photos are others' to the opt-outs of the account. ``in_use``: iss and sub of the sign-in that the person came in by.
    """
    identity = next((one for one in account.identities if one.id == identity_id), None)
    if identity is None:
        raise CannotUnlink("this sign-in is not linked to your account")
    if len(account.identities) == 1:
        raise CannotUnlink("this is your only sign-in; without it nobody could open your account")
    if (identity.iss, identity.sub) == in_use:
        raise CannotUnlink("you are signed in with this one; sign in with another of yours to unlink it")
    lock_entries_shared(session)
    account.identities.remove(identity)
    end_sessions_of_identity(session, identity.iss, identity.sub)
    _note(session, account, "identity.unlinked", identity.iss, identity.owner, now)
    _search_again(session, (*account.owners, identity.owner), now)
    return identity


def forget_addresses(session: Session) -> None:
    """Where no mail is sent, no address is kept."""
    session.execute(update(Account).where(Account.email != "").values(email=""))


def _search_again(session: Session, owners: Sequence[str], now: datetime) -> None:
    """After a sign-in was linked or unlinked: whether what opt-outs of some of these owners reach of the others is their own, changed.

    Call it under ``lock_entries_shared``: a publication writes to opt-outs, too, in whatever order it comes to them.
    """
    match = OptOutMatch
    crossing = exists().where(match.opt_out_id == OptOut.id, match.owner.in_(owners), match.owner != OptOut.owner)
    active = select(OptOut).where(OptOut.owner.in_(owners), OptOut.withdrawn_at.is_(None), crossing)
    opt_outs = session.scalars(active.order_by(OptOut.id).with_for_update().execution_options(populate_existing=True)).all()
    for opt_out in opt_outs:
        opt_out.propagated_at = None
    for owner in sorted({opt_out.owner for opt_out in opt_outs}):
        promise_search(session, owner, now)


def _note(session: Session, account: Account, event: str, iss: str, owner: str, now: datetime) -> None:
    """In the audit trail and, where the person has an address, in a mail. The trail never names whose photos."""
    audit.record(session, account.public_id, event, account.public_id, {"iss": iss}, now)
    if account.email:
        outbox.add(session, outbox.MAIL_ACCOUNT_NOTICE, {"account_id": account.id, "event": event, "owner": owner}, now)


def _check_owner(owner: str) -> None:
    if not owner:
        raise NoOwnerKey("the sign-in names no key under which your photos are filed")


def _account_of(session: Session, iss: str, sub: str) -> Account | None:
    return session.scalar(select(Account).join(Account.identities).where(Identity.iss == iss, Identity.sub == sub))


def _identity(account: Account, iss: str, sub: str) -> Identity:
    return next(one for one in account.identities if (one.iss, one.sub) == (iss, sub))


def _new_account(session: Session, *, iss: str, sub: str, owner: str, display_name: str, now: datetime) -> Account:
    account = Account(display_name=display_name, created_at=now)
    account.identities.append(Identity(iss=iss, sub=sub, owner=owner, linked_at=now))
    try:
        with session.begin_nested():
            session.add(account)
    except IntegrityError:  # someone else's first sign-in was quicker, and has committed
        quicker = _account_of(session, iss, sub)
        if quicker is None:
            raise
        return quicker
    audit.record(session, account.public_id, "account.created", account.public_id, {"iss": iss}, now)
    return account
