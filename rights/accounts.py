"""Who someone is here: one account, however many identities they sign in with."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from demur.errors import DemurError
from models import Account, Identity
from rights import audit


class IdentityTaken(DemurError):
    """The identity belongs to another account, and an identity has one account only."""


class NoOwnerKey(DemurError):
    """The provider did not say under which key this person's photos are filed; without it, rows of nobody would be theirs."""


def sign_in(session: Session, *, iss: str, sub: str, owner: str, display_name: str, email: str = "", now: datetime) -> Account:
    """The account of an identity, made at the first sign-in. Two first sign-ins at once give one account. Raises NoOwnerKey.

    ``email``: a confirmed address that receipts may be mailed to; none, and one that was known before is forgotten.
    """
    _check_owner(owner)
    account = _account_of(session, iss, sub)
    if account is None:
        account = _new_account(session, iss=iss, sub=sub, owner=owner, display_name=display_name, now=now)
    account.display_name = display_name
    account.email = email
    account.closed_at = None
    for identity in account.identities:
        if (identity.iss, identity.sub) == (iss, sub):
            identity.owner = owner  # the provider knows best under which key it files this person's photos
    session.flush()
    return account


def link_identity(session: Session, account: Account, *, iss: str, sub: str, owner: str, now: datetime) -> None:
    """Adds an identity to an account; adding it twice changes nothing. Raises IdentityTaken, NoOwnerKey."""
    _check_owner(owner)
    known = _account_of(session, iss, sub)
    if known is None:
        try:
            with session.begin_nested():
                account.identities.append(Identity(iss=iss, sub=sub, owner=owner, linked_at=now))
        except IntegrityError:
            session.refresh(account)
            known = _account_of(session, iss, sub)
        else:
            audit.record(session, account.public_id, "identity.linked", account.public_id, {"iss": iss}, now)
            return
    if known is not account:
        raise IdentityTaken("this sign-in already belongs to another account here")


def forget_addresses(session: Session) -> None:
    """Where no mail is sent, no address is kept."""
    session.execute(update(Account).where(Account.email != "").values(email=""))


def _check_owner(owner: str) -> None:
    if not owner:
        raise NoOwnerKey("the sign-in names no key under which your photos are filed")


def _account_of(session: Session, iss: str, sub: str) -> Account | None:
    return session.scalar(select(Account).join(Account.identities).where(Identity.iss == iss, Identity.sub == sub))


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
