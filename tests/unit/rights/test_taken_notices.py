"""Every photo that others' opt-outs take is told to its owner, also one that is taken while the mail about others is on its way."""

from datetime import datetime, timedelta

from sqlalchemy import select

from models import Account, OptOutMatch, Outbox
from rights import outbox
from rights.notices import Sender
from rights.optouts import Photos
from rights.taken_notices import TakenNotice, compose_taken_notice, note_told
from tests.factories import NOW
from tests.support.lookups import picture_of
from tests.support.pictures import photo_bytes
from tests.unit.rights.office import Office

SENDER = Sender("demur@lantern.example", "Lantern", "https://lantern.example/")
IN_TIME = NOW + timedelta(minutes=6)
NEXT_DAY = IN_TIME + timedelta(days=1, minutes=1)


def ben(office: Office) -> Account:
    account = office.account("ben")
    with office.sessions.begin() as session:
        session.get_one(Account, account.id).email = "ben@lantern.example"
    return account


def takes(office: Office, account: Account, *numbers: int) -> None:
    """Opts out pictures that are ben's photos."""
    office.file(account, Photos((), tuple(picture_of(photo_bytes("ben", number)) for number in numbers)))
    office.propagate()


def waiting(office: Office) -> list[datetime]:
    """When the mails that are promised come due."""
    with office.sessions() as session:
        rows = select(Outbox.available_at).where(Outbox.topic == outbox.MAIL_TAKEN_NOTICE, Outbox.done_at.is_(None))
        return list(session.scalars(rows))


def begun(office: Office, account: Account, now: datetime) -> tuple[int, TakenNotice | None]:
    """A worker has the row, and composed the mail."""
    with office.sessions.begin() as session:
        [row] = outbox.lease(session, [outbox.MAIL_TAKEN_NOTICE], 1, now, now + timedelta(minutes=1))
        leased = row.id
    with office.sessions() as session:
        return leased, compose_taken_notice(session, account.id, SENDER, leased, now)


def ended(office: Office, account: Account, leased: int, notice: TakenNotice | None, now: datetime) -> None:
    with office.sessions.begin() as session:
        row = outbox.locked(session, leased)
        assert row is not None
        note_told(session, account.id, notice, leased, now)
        outbox.done(row, now)


def untold(office: Office) -> set[str]:
    with office.sessions() as session:
        return set(session.scalars(select(OptOutMatch.uid).where(OptOutMatch.owner == "ben", OptOutMatch.told_at.is_(None))))


def test_a_photo_taken_while_the_mail_is_sent_is_told_the_next_day(office: Office):
    ada, owner = office.account("ada"), ben(office)
    takes(office, ada, 1)
    leased, notice = begun(office, owner, IN_TIME)
    assert notice is not None
    takes(office, ada, 2)
    assert len(waiting(office)) == 1, "it relies on the mail that is being sent"
    ended(office, owner, leased, notice, IN_TIME)
    assert untold(office) == {"ben-2"}
    assert waiting(office) == [IN_TIME + timedelta(days=1)]
    leased, notice = begun(office, owner, NEXT_DAY)
    assert notice is not None
    ended(office, owner, leased, notice, NEXT_DAY)
    assert (untold(office), waiting(office)) == (set(), [])


def test_a_photo_taken_while_there_was_nothing_to_tell_is_told(office: Office):
    ada, owner = office.account("ada"), ben(office)
    takes(office, ada, 1)
    with office.sessions.begin() as session:
        for match in session.scalars(select(OptOutMatch)):
            match.contested_at = NOW
    leased, notice = begun(office, owner, IN_TIME)
    assert notice is None
    takes(office, ada, 2)
    ended(office, owner, leased, notice, IN_TIME)
    assert waiting(office) == [IN_TIME + timedelta(minutes=5)]


def test_nothing_is_promised_to_an_owner_whose_address_is_gone(office: Office):
    owner = ben(office)
    takes(office, office.account("ada"), 1)
    with office.sessions.begin() as session:
        session.get_one(Account, owner.id).email = ""
    leased, notice = begun(office, owner, IN_TIME)
    ended(office, owner, leased, notice, IN_TIME)
    assert (notice, waiting(office)) == (None, [])


def test_where_all_was_told_within_the_day_nothing_more_is_promised(office: Office):
    owner = ben(office)
    takes(office, office.account("ada"), 1)
    leased, notice = begun(office, owner, IN_TIME)
    ended(office, owner, leased, notice, IN_TIME)
    with office.sessions.begin() as session:
        outbox.add_turn(session, outbox.MAIL_TAKEN_NOTICE, str(owner.id), {"account_id": owner.id}, IN_TIME)
    later = IN_TIME + timedelta(hours=1)
    leased, notice = begun(office, owner, later)
    ended(office, owner, leased, notice, later)
    assert (notice, waiting(office)) == (None, [])
