import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from models import ApiToken
from rights import tokens
from rights.tokens import Scope, ScopeMissing, TokenNameTaken, UnknownToken
from tests.factories import NOW


def test_a_token_opens_what_its_scopes_say_until_it_is_revoked(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        text = tokens.create(session, "trainer", [Scope.LIST_READ], NOW)
        assert tokens.verify(session, text, Scope.LIST_READ).name == "trainer"
        with pytest.raises(ScopeMissing):
            tokens.verify(session, text, Scope.RUNS_WRITE)
        with pytest.raises(UnknownToken):
            tokens.verify(session, text + "x", Scope.LIST_READ)
        tokens.revoke(session, "trainer", NOW)
        session.flush()
        with pytest.raises(UnknownToken):
            tokens.verify(session, text, Scope.LIST_READ)
        with pytest.raises(UnknownToken):
            tokens.revoke(session, "trainer", NOW)


def test_only_the_digest_is_kept_and_names_are_unique(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        text = tokens.create(session, "trainer", [Scope.LIST_READ], NOW)
        assert text not in str(vars(session.scalars(select(ApiToken)).one()))
        with pytest.raises(TokenNameTaken):
            tokens.create(session, "trainer", [Scope.RUNS_WRITE], NOW)
