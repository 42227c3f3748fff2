"""A contest ends in a statement for the owner who contested, however the opt-out ends."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from demur.receipts import LogKind, Statement
from models import Account, LogEntry, OptOutMatch
from rights.contests import contest_photos
from rights.optouts import Everything, Photos
from rights.platform_events import Event, EventKind, receive_event
from rights.withdrawals import put_back, withdraw_photo
from tests.factories import NOW
from tests.unit.rights.office import Office

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def ada(office: Office) -> Account:
    return office.account("ada")


@pytest.fixture
def ben(office: Office) -> Account:
    return office.account("ben")


def contested(office: Office, ben: Account) -> None:
    office.propagate()
    with office.sessions.begin() as session:
        assert contest_photos(session, ben, ["ben-exact"], LATER) == 1


def decided(office: Office, account: Account) -> list[tuple[LogKind, tuple[str, ...]]]:
    """What the account was told about its contests."""
    with office.sessions() as session:
        told = session.scalars(select(LogEntry.statement).where(LogEntry.account_id == account.id).order_by(LogEntry.id))
        statements = [Statement.parse(payload) for payload in told]
    assert statements.pop(0).kind is LogKind.PHOTO_CONTESTED
    return [(statement.kind, statement.photos) for statement in statements]


def platform_says(office: Office, kind: EventKind, minutes: int) -> None:
    with office.sessions.begin() as session:
        at = NOW + timedelta(minutes=minutes)
        receive_event(session, Event(kind.value, kind, "ada", "ada-0", at), at)


def test_a_member_who_withdraws_agrees_with_whoever_contested(office: Office, ada: Account, ben: Account):
    office.file(ada, Photos(("ada-0",)))
    contested(office, ben)
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-0", LATER)
    assert decided(office, ben) == [(LogKind.CONTEST_ACCEPTED, ("ben-exact",))]


def test_a_photo_that_the_platform_makes_public_again_ends_contests_of_its_copies(office: Office, ben: Account):
    platform_says(office, EventKind.PHOTO_DELETED, 0)
    contested(office, ben)
    platform_says(office, EventKind.PHOTO_MADE_PUBLIC, 120)
    assert decided(office, ben) == [(LogKind.CONTEST_ACCEPTED, ("ben-exact",))]


def test_a_photo_put_back_from_an_opt_out_of_everything_ends_contests_of_its_copies(office: Office, ada: Account, ben: Account):
    office.file(ada, Everything())
    contested(office, ben)
    office.propagate(LATER)
    assert decided(office, ben) == [], "it is a copy still"
    with office.sessions.begin() as session:
        put_back(session, ada, ["ada-0"], LATER)
    office.propagate(LATER)
    assert decided(office, ben) == [(LogKind.CONTEST_ACCEPTED, ("ben-exact",))]


def test_a_contested_row_of_the_same_uid_is_not_forgotten_before_its_owner_hears(office: Office, ada: Account, ben: Account):
    """Another manifest may say of the same uid that it is somebody else's."""
    office.file(ada, Everything())
    contested(office, ben)
    with office.sessions.begin() as session:
        row = session.scalars(select(OptOutMatch).where(OptOutMatch.uid == "ben-exact")).one()
        row.uid = "ada-0"
    with office.sessions.begin() as session:
        put_back(session, ada, ["ada-0"], LATER)
    office.propagate(LATER)
    assert decided(office, ben) == [(LogKind.CONTEST_ACCEPTED, ("ada-0",))]
