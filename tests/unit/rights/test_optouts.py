"""Filing, propagating, publishing and taking back, end to end without the queue."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import undefer

from demur.exclusions import KeyKind
from demur.receipts import LogKind, Statement
from models import ExclusionListVersion, LogEntry, OptOut, Outbox, RequestState, RightsRequest
from rights.history import EventKind, photo_history
from rights.optouts import PROPAGATE_OPT_OUTS, Everything, NothingToOptOut, Photos
from rights.photo import PhotoNotFound
from rights.photos import get_photo
from rights.propagation import apply_propagation
from rights.reach_limits import Limits
from rights.withdrawals import NothingToWithdraw, put_back, withdraw_photo, withdraw_request
from tests.factories import NOW
from tests.support.lookups import picture_of
from tests.support.pictures import jpeg, photo_bytes, textured_picture
from tests.unit.rights.office import Office

LATER = NOW + timedelta(hours=1)


def keys(office: Office, version: int, kind: KeyKind) -> set[str]:
    return {entry.key for entry in office.entries(version) if entry.kind is kind}


def state(office: Office, filing) -> RequestState:
    with office.sessions() as session:
        return session.get_one(RightsRequest, filing.request.id).state


def test_a_photo_and_its_copies_leave_training(office: Office):
    ada = office.account("ada")
    filing = office.file(ada, Photos(("ada-0",)))
    assert (filing.filed, filing.already) == (1, 0)
    assert state(office, filing) is RequestState.IN_PROGRESS
    office.carry()
    excluded = keys(office, 1, KeyKind.UID)
    assert {"ada-0", "ben-exact", "ben-recompressed", "cleo-mirrored"} <= excluded
    assert not excluded & {"ada-1", "ben-0", "cleo-0"}
    assert keys(office, 1, KeyKind.URL) == {f"https://photos.example/{uid}" for uid in excluded}, "for lists of addresses, too"
    assert state(office, filing) is RequestState.FULFILLED


def test_filing_is_one_request_that_promises_its_search_and_its_receipt(office: Office):
    office.file(office.account("ada"), Photos(("ada-0", "ada-1", "ada-0")))
    with office.sessions() as session:
        assert len(session.scalars(select(OptOut)).all()) == 2
        assert {row.topic for row in session.scalars(select(Outbox))} == {"propagate_opt_outs", "publish_list"}
        assert session.scalars(select(LogEntry)).one().kind is LogKind.OPT_OUT_FILED


def test_what_is_opted_out_already_is_skipped_and_said_so(office: Office):
    ada = office.account("ada")
    office.file(ada, Photos(("ada-0",)))
    filing = office.file(ada, Photos(("ada-0", "ada-1")))
    assert (filing.filed, filing.already) == (1, 1)
    with pytest.raises(NothingToOptOut):
        office.file(ada, Photos(("ada-0", "ada-1")))
    with pytest.raises(NothingToOptOut):
        office.file(ada, Photos(()))


@pytest.mark.parametrize("uid", ["ben-0", "nowhere", "ada-private"])
def test_someone_elses_photo_looks_as_if_it_were_not_there(office: Office, uid: str):
    with pytest.raises(PhotoNotFound):
        office.file(office.account("ada"), Photos((uid,)))


def test_everything_covers_what_is_there_and_what_comes(office: Office):
    filing = office.file(office.account("ben"), Everything())
    office.carry()
    assert keys(office, 1, KeyKind.OWNER) == {"ben"}
    own = {f"ben-{n}" for n in range(6)} | {"ben-exact", "ben-recompressed", "ben-resized"}
    assert own <= keys(office, 1, KeyKind.UID)
    assert "ada-0" in keys(office, 1, KeyKind.UID), "ben-exact has its bytes"
    assert state(office, filing) is RequestState.FULFILLED


def test_everything_covers_each_linked_identity(office: Office):
    office.file(office.account("ada", "cleo"), Everything())
    office.carry()
    assert keys(office, 1, KeyKind.OWNER) == {"ada", "cleo"}


def test_a_picture_in_no_manifest_is_excluded_by_its_bytes_and_looks(office: Office):
    sent = picture_of(jpeg(textured_picture(seed=4711)))
    office.file(office.account("ada"), Photos(pictures=(sent,)))
    office.carry()
    assert keys(office, 1, KeyKind.SHA256) == {sent.query.sha256}
    assert keys(office, 1, KeyKind.PHASH) == {f"{sent.query.variants[0].phash:016x}"}
    assert not keys(office, 1, KeyKind.UID)


def test_a_picture_reaches_the_rows_that_show_it(office: Office):
    office.file(office.account("ada"), Photos(pictures=(picture_of(photo_bytes("ada", 2)),)))
    office.carry()
    assert keys(office, 1, KeyKind.UID) == {"ada-2"}


def test_photos_and_pictures_are_filed_in_one_request_each_once(office: Office):
    ada, sent = office.account("ada"), picture_of(jpeg(textured_picture(seed=4711)))
    filing = office.file(ada, Photos(("ada-1",), (sent, sent)))
    assert (filing.filed, filing.already) == (2, 0)
    again = office.file(ada, Photos(("ada-1", "ada-2"), (sent,)))
    assert (again.filed, again.already) == (1, 2)


def test_taking_a_request_back_empties_the_list_again(office: Office):
    ada = office.account("ada")
    filing = office.file(ada, Photos(("ada-1", "ada-2")))
    office.carry()
    with office.sessions.begin() as session:
        withdraw_request(session, ada, session.get_one(RightsRequest, filing.request.id), LATER)
    assert state(office, filing) is RequestState.REVOKED
    version = office.carry(LATER)
    assert version is not None
    assert (version.total, version.removed) == (0, version.removed)
    with office.sessions() as session:
        assert {opt_out.ended_version for opt_out in session.scalars(select(OptOut))} == {2}
    with office.sessions.begin() as session, pytest.raises(NothingToWithdraw):
        withdraw_request(session, ada, session.get_one(RightsRequest, filing.request.id), LATER)


def test_a_photo_is_put_back_and_the_rest_of_its_request_stands(office: Office):
    ada = office.account("ada")
    filing = office.file(ada, Photos(("ada-1", "ada-2")))
    office.carry()
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-1", LATER)
    office.carry(LATER)
    assert keys(office, 2, KeyKind.UID) == {"ada-2"}
    assert keys(office, 2, KeyKind.URL) == {"https://photos.example/ada-2"}
    assert state(office, filing) is RequestState.FULFILLED


def test_a_request_is_fulfilled_when_what_still_waited_is_put_back(office: Office):
    ada = office.account("ada")
    filing = office.file(ada, Photos(("ada-1", "ada-2")))
    with office.sessions.begin() as session:
        first = session.scalars(select(OptOut).where(OptOut.subject == "ada-1")).one()
    findings = office.gather([first.id])
    with office.sessions.begin() as session:
        apply_propagation(session, findings, limits=office.limits, now=NOW)
    office.publish()
    assert state(office, filing) is RequestState.IN_PROGRESS, "the other photo is on its way"
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-2", LATER)
    office.publish(LATER)
    assert state(office, filing) is RequestState.FULFILLED


def test_withdrawn_before_the_worker_came_it_never_enters_the_list(office: Office):
    ada = office.account("ada")
    office.file(ada, Photos(("ada-1",)))
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-1", LATER)
    assert office.carry(LATER) is None


def test_someone_else_cannot_withdraw(office: Office):
    ada, ben = office.account("ada"), office.account("ben")
    filing = office.file(ada, Photos(("ada-1",)))
    with office.sessions.begin() as session, pytest.raises(NothingToWithdraw):
        withdraw_request(session, ben, session.get_one(RightsRequest, filing.request.id), LATER)
    with office.sessions.begin() as session, pytest.raises(NothingToWithdraw):
        withdraw_photo(session, ben, "ada-1", LATER)


def test_a_photo_under_everything_is_put_back_alone_and_the_rest_stays_out(office: Office):
    ada = office.account("ada")
    office.file(ada, Everything())
    office.carry()
    before = office.entries(1)
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-1", LATER)
    assert office.publish(LATER) is None, "until the rest is listed photo by photo, the owner stays listed"
    office.carry(LATER)
    after = office.entries(2)
    assert {entry.kind for entry in after - before} == set()
    assert keys(office, 2, KeyKind.OWNER) == set(), "there is no entry that would let a photo in"
    assert keys(office, 1, KeyKind.UID) - keys(office, 2, KeyKind.UID) == {"ada-1"}
    assert {"ada-0", "ada-2", "ada-5", "ben-exact"} <= keys(office, 2, KeyKind.UID)
    gone = {entry.kind for entry in before - after}
    assert gone == {KeyKind.OWNER, KeyKind.UID, KeyKind.URL, KeyKind.SHA256, KeyKind.PHASH}
    with office.sessions() as session:
        back, rest = (get_photo(session, office.catalogues, office.runs, ["ada"], uid) for uid in ("ada-1", "ada-2"))
        told = [event.kind for event in photo_history(session, back, ada)]
    assert (back.opt_outs, back.listed_since) == ((), None)
    assert rest.under_everything
    assert told[-2:] == [EventKind.EXEMPTED, EventKind.UNLISTED]


def test_a_photo_put_back_stays_out_as_a_copy_of_one_that_is_out(office: Office):
    ben = office.account("ben", "ada")
    office.file(ben, Everything())
    office.carry()
    with office.sessions.begin() as session:
        withdraw_photo(session, ben, "ben-exact", LATER)
    office.carry(LATER)
    assert "ben-exact" in keys(office, 2, KeyKind.UID), "ada-0 has its bytes"
    with office.sessions() as session:
        photo = get_photo(session, office.catalogues, office.runs, ["ben", "ada"], "ben-exact")
    assert photo.opt_out is not None
    assert {ref.through for ref in photo.opt_outs} == {"ada", "ben"}, "ben-resized shows it, too"
    assert not photo.can_put_back


def test_everything_once_more_takes_out_what_was_put_back(office: Office):
    ada = office.account("ada")
    office.file(ada, Everything())
    office.carry()
    with office.sessions.begin() as session:
        assert put_back(session, ada, ["ada-1", "ada-2"], LATER) == 2
        assert put_back(session, ada, ["ada-1"], LATER) == 0, "it is back already"
    office.carry(LATER)
    again = office.file(ada, Everything(), LATER)
    assert again.filed == 2
    office.carry(LATER)
    assert {"ada-0", "ada-1", "ada-2"} <= keys(office, 3, KeyKind.UID)
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-1", LATER)
    office.carry(LATER)
    assert "ada-1" not in keys(office, 4, KeyKind.UID)


def test_a_photo_put_back_while_the_search_goes_on_is_not_listed_by_it(office: Office):
    ada = office.account("ada")
    office.file(ada, Everything())
    with office.sessions.begin() as session:
        ids = session.scalars(select(OptOut.id)).all()
    findings = office.gather(ids)
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-1", LATER)
    with office.sessions.begin() as session:
        apply_propagation(session, findings, limits=office.limits, now=LATER)
        assert session.scalars(select(OptOut)).one().propagated_at is None
    office.carry(LATER)
    assert "ada-1" not in keys(office, 1, KeyKind.UID)
    assert not keys(office, 1, KeyKind.OWNER)


def test_putting_back_is_stated_with_a_receipt(office: Office):
    ada = office.account("ada")
    office.file(ada, Everything())
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-1", LATER)
    with office.sessions() as session:
        *_, last = session.scalars(select(LogEntry).options(undefer(LogEntry.statement)).order_by(LogEntry.id))
        assert last.kind is LogKind.OPT_OUT_WITHDRAWN
        assert Statement.parse(last.statement).photos == ("ada-1",)
        assert {row.payload.get("opt_out_id") for row in session.scalars(select(Outbox).where(Outbox.topic == PROPAGATE_OPT_OUTS))} - {None}


def test_an_entry_stays_until_its_last_ground_ends(office: Office):
    ada, ben = office.account("ada"), office.account("ben")
    office.file(ada, Photos(("ada-0",)))
    office.file(ben, Photos(("ben-exact",)))
    office.carry()
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-0", LATER)
    office.carry(LATER)
    with office.sessions() as session:
        assert session.get_one(ExclusionListVersion, 1).total >= 4
        photo = get_photo(session, office.catalogues, office.runs, ["ada"], "ada-0")
    assert photo.opt_out is None
    assert photo.copy_excluded_since == 1, "ben still opts the same picture out"


def test_an_opt_out_with_too_many_copies_elsewhere_is_held(office: Office):
    office.limits = Limits(photos=1)
    office.file(office.account("ada"), Photos(("ada-0",)))
    office.carry()
    assert keys(office, 1, KeyKind.UID) == {"ada-0"}, "of a held opt-out nothing of others is listed"
    assert not keys(office, 1, KeyKind.SHA256), "ben-exact has the same bytes"
    assert not keys(office, 1, KeyKind.PHASH), "readers would exclude the held ones by their looks"
    assert keys(office, 1, KeyKind.URL) == {"https://photos.example/ada-0"}
    with office.sessions() as session:
        held = session.scalars(select(OptOut)).one()
        assert held.held
        assert {match.kind for match in held.matches} == {"exact", "proposed"}


def test_doing_it_twice_changes_nothing(office: Office):
    office.file(office.account("ada"), Photos(("ada-0",)))
    office.carry()
    with office.sessions.begin() as session:
        session.scalars(select(OptOut)).one().propagated_at = None
    assert office.carry(LATER) is None
