"""Photos that the platform deleted or made private exclude by themselves."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from demur.exclusions import KeyKind
from models import Account, OptOut, Outbox, PlatformEvent
from rights.platform_events import AHEAD, BadPlatformEvent, Event, EventKind, Outcome, receive_event
from tests.factories import NOW
from tests.unit.rights.office import Office

LATER = NOW + timedelta(hours=1)


def tell(office: Office, event_id: str, kind: EventKind, uid: str = "ada-0", occurred_at=NOW, now=LATER) -> Outcome:
    with office.sessions.begin() as session:
        return receive_event(session, Event(event_id, kind, "ada", uid, occurred_at), now)


def excluded(office: Office, version: int) -> set[str]:
    return {entry.key for entry in office.entries(version) if entry.kind in (KeyKind.UID, KeyKind.OWNER)}


@pytest.mark.parametrize("kind", [EventKind.PHOTO_DELETED, EventKind.PHOTO_MADE_PRIVATE])
def test_a_photo_taken_away_is_excluded_with_its_copies(office: Office, kind: EventKind):
    assert tell(office, "e1", kind) is Outcome.APPLIED
    with office.sessions() as session:
        assert list(session.scalars(select(Outbox)).one().payload) == ["opt_out_id"]
    office.carry()
    assert {"ada-0", "ben-exact", "cleo-mirrored"} <= excluded(office, 1)


def test_the_same_event_twice_is_one(office: Office):
    assert tell(office, "e1", EventKind.PHOTO_DELETED) is Outcome.APPLIED
    assert tell(office, "e1", EventKind.PHOTO_DELETED) is Outcome.KNOWN
    assert tell(office, "e2", EventKind.PHOTO_MADE_PRIVATE) is Outcome.APPLIED
    with office.sessions() as session:
        assert len(session.scalars(select(OptOut)).all()) == 1


def test_public_again_ends_what_the_platform_filed(office: Office):
    tell(office, "e1", EventKind.PHOTO_MADE_PRIVATE)
    office.carry()
    tell(office, "e2", EventKind.PHOTO_MADE_PUBLIC, occurred_at=LATER)
    version = office.carry(LATER)
    assert version is not None
    assert version.total == 0


def test_events_in_the_wrong_order_end_as_in_the_right_one(office: Office):
    tell(office, "e2", EventKind.PHOTO_MADE_PUBLIC, occurred_at=LATER)
    assert tell(office, "e1", EventKind.PHOTO_MADE_PRIVATE, occurred_at=NOW) is Outcome.IGNORED
    assert office.carry() is None


def test_a_closed_account_excludes_all_its_photos(office: Office):
    ada = office.account("ada")
    with office.sessions.begin() as session:
        session.get_one(Account, ada.id).email = "ada@photos.example"
    tell(office, "e1", EventKind.ACCOUNT_CLOSED, uid="")
    office.carry()
    assert {"ada", "ada-5"} <= excluded(office, 1)
    with office.sessions() as session:
        closed = session.get_one(Account, ada.id)
        assert (closed.closed_at, closed.email) == (LATER, "")


def test_a_photo_that_no_manifest_knows_is_excluded_by_its_uid(office: Office):
    tell(office, "e1", EventKind.PHOTO_DELETED, uid="ada-unseen")
    office.carry()
    assert excluded(office, 1) == {"ada-unseen"}


@pytest.mark.parametrize(("kind", "uid"), [(EventKind.PHOTO_DELETED, ""), (EventKind.ACCOUNT_CLOSED, "ada-0")])
def test_an_event_that_contradicts_itself_is_refused(office: Office, kind: EventKind, uid: str):
    with pytest.raises(BadPlatformEvent):
        tell(office, "e1", kind, uid)


@pytest.mark.parametrize("apart", [timedelta(), timedelta(seconds=1), AHEAD])
def test_where_the_order_of_a_deletion_and_a_publication_is_in_doubt_the_photo_stays_out(office: Office, apart: timedelta):
    assert tell(office, "e2", EventKind.PHOTO_MADE_PUBLIC, occurred_at=NOW + apart) is Outcome.APPLIED
    assert tell(office, "e1", EventKind.PHOTO_DELETED, occurred_at=NOW) is Outcome.APPLIED
    office.carry()
    assert "ada-0" in excluded(office, 1)


def test_made_public_at_the_very_moment_of_its_deletion_stays_out(office: Office):
    tell(office, "e1", EventKind.PHOTO_DELETED, occurred_at=NOW)
    assert tell(office, "e2", EventKind.PHOTO_MADE_PUBLIC, occurred_at=NOW) is Outcome.IGNORED
    office.carry()
    assert "ada-0" in excluded(office, 1)


def test_an_event_from_the_future_is_refused(office: Office):
    with pytest.raises(BadPlatformEvent, match="future"):
        tell(office, "e1", EventKind.PHOTO_MADE_PUBLIC, occurred_at=LATER + AHEAD + timedelta(seconds=1))
    assert tell(office, "e1", EventKind.PHOTO_DELETED, occurred_at=LATER + AHEAD) is Outcome.APPLIED


def test_a_future_event_taken_in_before_such_were_refused_cancels_no_deletion(office: Office):
    with office.sessions.begin() as session:
        far = NOW + timedelta(days=30_000)
        kept = {"event_id": "e0", "kind": EventKind.PHOTO_MADE_PUBLIC, "owner": "ada", "uid": "ada-0", "received_at": NOW}
        session.add(PlatformEvent(occurred_at=far, **kept))
    assert tell(office, "e1", EventKind.PHOTO_DELETED, occurred_at=LATER) is Outcome.APPLIED
