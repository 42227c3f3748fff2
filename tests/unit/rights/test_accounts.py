from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from models import Account, Identity
from rights.accounts import CannotUnlink, IdentityTaken, NoOwnerKey, forget_addresses, link_identity, sign_in, unlink_identity
from tests.factories import ISSUER, NOW


def enter(session: Session, sub: str, owner: str = "ada") -> Account:
    return sign_in(session, iss=ISSUER, sub=sub, owner=owner, display_name="Ada", now=NOW)


def test_the_same_identity_is_the_same_account(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        first = enter(session, "s1").id
    with sessions.begin() as session:
        again = enter(session, "s1", owner="ada-renamed")
        assert again.id == first
        assert again.owners == ("ada-renamed",), "the provider knows best under which key it files photos"


def test_first_sign_ins_at_once_make_one_account(sessions: sessionmaker[Session]):
    def first_sign_in(_: int) -> int:
        with sessions.begin() as session:
            return enter(session, "s1").id

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(first_sign_in, range(8)))) == 1
    with sessions() as session:
        assert session.scalar(select(func.count()).select_from(Account)) == 1


def test_a_linked_identity_leads_to_the_same_account(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        account = enter(session, "s1")
        for _ in range(2):
            link_identity(session, account, iss="https://other.example", sub="s1", owner="ada-elsewhere", now=NOW)
    with sessions.begin() as session:
        same = sign_in(session, iss="https://other.example", sub="s1", owner="ada-elsewhere", display_name="Ada", now=NOW)
        assert same.id == account.id
        assert same.owners == ("ada", "ada-elsewhere")
        assert session.scalar(select(func.count()).select_from(Identity)) == 2


def test_an_identity_has_one_account_only(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        enter(session, "s1")
        other = enter(session, "s2", owner="ben")
        with pytest.raises(IdentityTaken):
            link_identity(session, other, iss=ISSUER, sub="s1", owner="ada", now=NOW)


def test_without_an_owner_key_nobody_comes_in(sessions: sessionmaker[Session]):
    """Rows whose owner is unknown have the empty key."""
    with sessions.begin() as session, pytest.raises(NoOwnerKey):
        enter(session, "s1", owner="")


def test_an_address_is_what_the_last_sign_in_brought(sessions: sessionmaker[Session]):
    known = {"iss": ISSUER, "sub": "s1", "owner": "ada", "display_name": "Ada", "now": NOW}
    with sessions.begin() as session:
        assert sign_in(session, **known, email="ada@lantern.example").email == "ada@lantern.example"
        assert sign_in(session, **known, email="ada@elsewhere.example").email == "ada@elsewhere.example"
        assert sign_in(session, **known).email == ""


def test_where_no_mail_is_sent_all_addresses_are_forgotten(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        sign_in(session, iss=ISSUER, sub="s1", owner="ada", display_name="Ada", email="ada@lantern.example", now=NOW)
        forget_addresses(session)
    with sessions() as session:
        assert session.scalars(select(Account.email)).all() == [""]


def test_name_and_address_are_those_of_the_first_identity(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        account = sign_in(session, iss=ISSUER, sub="s1", owner="ada", display_name="Ada", email="ada@lantern.example", now=NOW)
        link_identity(session, account, iss=ISSUER, sub="s2", owner="eve", now=NOW)
        same = sign_in(session, iss=ISSUER, sub="s2", owner="eve", display_name="Eve", email="eve@elsewhere.example", now=NOW)
        assert (same.id, same.display_name, same.email) == (account.id, "Ada", "ada@lantern.example")


def test_neither_the_last_identity_nor_the_one_in_use_nor_anothers_is_unlinked(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        account, other = enter(session, "s1"), enter(session, "s9", owner="ben")
        with pytest.raises(CannotUnlink, match="only sign-in"):
            unlink_identity(session, account, account.identities[0].id, in_use=(ISSUER, "s1"), now=NOW)
        link_identity(session, account, iss=ISSUER, sub="s2", owner="eve", now=NOW)
        with pytest.raises(CannotUnlink, match="signed in with this one"):
            unlink_identity(session, account, account.identities[0].id, in_use=(ISSUER, "s1"), now=NOW)
        with pytest.raises(CannotUnlink, match="not linked"):
            unlink_identity(session, account, other.identities[0].id, in_use=(ISSUER, "s1"), now=NOW)
        unlink_identity(session, account, account.identities[1].id, in_use=(ISSUER, "s1"), now=NOW)
        assert account.owners == ("ada",)
