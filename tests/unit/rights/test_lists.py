"""Publishing: what a version holds, and what a crash between its steps leaves behind."""

import os
import shutil
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from demur.exclusions.reader import ExclusionList
from demur.files import atomic_write
from demur.receipts import LogKind, Statement
from models import ExclusionEntry, ExclusionListVersion, LogEntry, OptOut, Outbox, PastEntry, RequestKind, RequestState, RightsRequest
from rights import log, outbox
from rights.list_changes import pending
from rights.list_versions import newest_version
from rights.lists import ListMovedOn, PublishedFilesChanged, prepare, publish, renew
from rights.optouts import Photos
from rights.withdrawals import withdraw_photo
from tests.factories import NOW
from tests.support.waiting import wait_until
from tests.unit.rights.office import LIFETIME, Office


def read(office: Office) -> ExclusionList:
    return ExclusionList.open(str(office.list_dir), key=office.key.verifier, now=NOW)


def uids_of(office: Office, version: int) -> set[str]:
    return {entry.key for entry in office.entries(version) if entry.kind == "uid"}


def test_nothing_is_published_before_there_is_something_to_exclude(office: Office):
    assert office.publish() is None
    assert not (office.list_dir / "head.dsse.json").exists()


def test_the_same_entries_make_no_version_yet_take_effect(office: Office):
    """A photo whose entries stand already, by somebody else's opt-out of the same picture."""
    ada, ben = office.account("ada"), office.account("ben")
    office.file(ben, Photos(("ben-exact", "ben-recompressed", "ben-resized")))
    office.file(office.account("cleo"), Photos(("cleo-mirrored", "cleo-cropped")))
    office.carry()
    office.file(ada, Photos(("ada-0",)))
    office.propagate()
    with office.sessions() as session:
        before = newest_version(session).version
    assert office.publish() is None
    with office.sessions() as session:
        mine = session.scalars(select(OptOut).where(OptOut.owner == "ada")).one()
        assert mine.effective_version == before
        assert newest_version(session).version == before


def test_versions_follow_each_other_and_verify(office: Office):
    ada = office.account("ada")
    for number in (1, 2, 3):
        office.file(ada, Photos((f"ada-{number}",)))
        version = office.carry()
        assert version is not None
        assert version.version == number
    assert read(office).head.version == 3


def test_a_crash_before_the_commit_promises_nothing(office: Office):
    office.file(office.account("ada"), Photos(("ada-1",)))
    office.propagate()
    with office.preparing() as prepared, office.sessions() as session:  # closed without a commit: the crash
        assert publish(session, prepared) is not None
    assert (office.list_dir / "versions" / "1").exists()
    assert not (office.list_dir / "head.dsse.json").exists()
    office.file(office.account("ben"), Photos(("ben-1",)))
    version = office.carry(NOW + timedelta(minutes=1))
    assert version is not None
    assert version.version == 1
    published = read(office)
    assert published.head.root == version.root
    assert {"ada-1", "ben-1"} <= {entry.key for entry in published.entries}


def test_a_crash_after_the_commit_is_repaired(office: Office):
    ada = office.account("ada")
    office.file(ada, Photos(("ada-1",)))
    office.carry()
    office.file(ada, Photos(("ada-2",)))
    office.propagate()
    office.crash_after_the_commit()
    assert read(office).head.version == 1
    office.make_public()
    assert read(office).head.version == 2


def test_a_version_that_a_crash_left_unseen_is_public_before_the_next_is_prepared(office: Office):
    ada = office.account("ada")
    office.file(ada, Photos(("ada-1",)))
    office.propagate()
    committed = office.crash_after_the_commit()
    unplaced = office.list_dir / "versions" / ".1.0123456789abcdef.part"
    unplaced.mkdir()  # as of a process that was killed while it prepared the same version
    assert not (office.list_dir / "head.dsse.json").exists()
    with office.preparing(NOW + timedelta(minutes=1)):
        assert read(office).head.root == committed.root
        assert not unplaced.exists()
    office.file(ada, Photos(("ada-2",)))
    assert office.carry(NOW + timedelta(minutes=2)).version == 2
    assert read(office).head.version == 2


def test_while_a_version_is_prepared_others_write_and_their_changes_are_the_next_version(office: Office):
    """The publication is stopped where it reads a delta of the list, which is made a pipe."""
    ada = office.account("ada")
    for uid in ("ada-1", "ada-2"):
        office.file(ada, Photos((uid,)))
        office.carry()
    withdrawn, kept = (office.file(ada, Photos((uid,))) for uid in ("ada-3", "ada-4"))
    office.propagate()
    delta = office.list_dir / "versions" / "2" / "delta.parquet"
    signed = delta.read_bytes()
    delta.unlink()
    os.mkfifo(delta)
    publishing = threading.Thread(target=office.publish)
    publishing.start()
    with delta.open("wb") as pipe:  # opens once the publication reads it
        with office.sessions.begin() as session:
            withdraw_photo(session, ada, "ada-3", NOW)
        office.file(office.account("ben"), Photos(("ben-1",)))
        office.propagate()
        atomic_write(delta, signed)
        pipe.write(signed)
    publishing.join()
    assert uids_of(office, 3) >= {"ada-3", "ada-4"}
    assert "ben-1" not in uids_of(office, 3)
    with office.sessions() as session:
        assert session.scalars(select(Outbox).where(Outbox.topic == "publish_list", Outbox.done_at.is_(None))).all()
        states = [session.get_one(RightsRequest, one.request.id).state for one in (withdrawn, kept)]
    assert states == [RequestState.REVOKED, RequestState.FULFILLED]
    assert office.publish().version == 4
    assert uids_of(office, 4) >= {"ada-4", "ben-1"}
    assert "ada-3" not in uids_of(office, 4)
    with office.sessions() as session:
        spans = select(OptOut.subject, OptOut.effective_version, OptOut.ended_version).order_by(OptOut.id)
        assert session.execute(spans).all()[2:] == [("ada-3", 3, 4), ("ada-4", 3, None), ("ben-1", 4, None)]
    assert office.publish() is None


def test_what_comes_back_while_its_end_is_prepared_is_listed_again_with_the_next_version(office: Office):
    ada = office.account("ada")
    office.file(ada, Photos(("ada-1", "ada-2")))
    office.carry()
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-1", NOW)
    with office.preparing() as prepared:
        with office.sessions.begin() as session:  # as `revive` names again what ended before
            ended = update(ExclusionEntry).where(ExclusionEntry.ended.is_(True))
            session.execute(ended.values(ended=False))
        with office.sessions.begin() as session:
            publish(session, prepared)
    assert "ada-1" not in uids_of(office, 2)
    office.publish()
    assert uids_of(office, 3) >= {"ada-1", "ada-2"}
    with office.sessions() as session:
        back = select(ExclusionEntry.since_version, ExclusionEntry.until_version).where(ExclusionEntry.key == "ada-1")
        assert session.execute(back).one() == (3, None)
        before = select(PastEntry.since_version, PastEntry.until_version).where(PastEntry.key == "ada-1")
        assert session.execute(before).one() == (1, 2)


def test_under_the_lock_the_files_take_their_place_and_nothing_else_of_the_list_is_read_or_written(office: Office):
    office.file(office.account("ada"), Photos(("ada-1",)))
    office.propagate()
    away = office.list_dir.with_name("away")
    with office.preparing() as prepared:
        office.list_dir.rename(away)
        prepared.written.files.mkdir(parents=True)  # without any file
        with office.sessions.begin() as session:
            assert publish(session, prepared).version == 1
        left = [path.relative_to(office.list_dir).as_posix() for path in office.list_dir.rglob("*")]
        assert sorted(left) == ["versions", "versions/1"]
        shutil.rmtree(office.list_dir)
        away.rename(office.list_dir)
        prepared.written.files.rename(office.list_dir / "versions" / "1")
    assert read(office).head.version == 1


def test_of_two_prepared_versions_one_is_published(office: Office):
    """Such as by two machines, whose processes do not see each other's lock."""
    office.file(office.account("ada"), Photos(("ada-1",)))
    office.propagate()
    with office.sessions.begin() as session:
        seen = pending(session)
    with prepare(seen, office.press, NOW) as first, prepare(seen, office.press, NOW + timedelta(minutes=1)) as second:
        with office.sessions.begin() as session:
            published = publish(session, first)
        with office.sessions() as session, pytest.raises(ListMovedOn):
            publish(session, second)
    assert stands(office, published)


def test_a_committed_version_outlives_another_machine_that_read_what_waited_before(office: Office):
    """The other machine prepares after the commit, and before the head points at the version."""
    office.file(office.account("ada"), Photos(("ada-1",)))
    office.propagate()
    with office.sessions.begin() as session:
        seen = pending(session)
    with prepare(seen, office.press, NOW) as first, office.sessions.begin() as session:
        published = publish(session, first)
    with prepare(seen, office.press, NOW + timedelta(minutes=1)) as second, office.sessions() as session, pytest.raises(ListMovedOn):
        publish(session, second)
    assert stands(office, published)
    office.file(office.account("ben"), Photos(("ben-1",)))
    assert office.carry(NOW + timedelta(minutes=2)).version == 2


def stands(office: Office, version: ExclusionListVersion) -> bool:
    """Whether the version's files are those that were published, and no other files are left."""
    office.make_public()
    head = read(office).head
    left = [path.name for path in (office.list_dir / "versions").iterdir()]
    return (head.version, head.root, head.published_at, left) == (
        version.version,
        version.root,
        version.published_at,
        [str(version.version)],
    )


def test_a_second_publication_waits_for_the_first_and_gives_no_leaf_meanwhile(office: Office):
    ada = office.account("ada")
    office.file(ada, Photos(("ada-1",)))
    office.propagate()
    with office.preparing() as prepared:
        office.file(ada, Photos(("ada-2",)))
        office.propagate()
        second = threading.Thread(target=office.publish)
        second.start()
        wait_until("the second waits for the list's directory", lambda: waited_for(office.list_dir))
        with office.sessions.begin() as session:
            assert publish(session, prepared).version == 1
    second.join()
    assert {"ada-1", "ada-2"} <= uids_of(office, 2)


def waited_for(directory: Path) -> bool:
    return any("-> FLOCK" in line and f":{directory.stat().st_ino} " in line for line in Path("/proc/locks").read_text().splitlines())


@pytest.mark.parametrize("others", [0, 1])
def test_what_comes_while_a_version_is_prepared_is_promised_one_publication(office: Office, others: int):
    with office.sessions.begin() as session:
        own = outbox.add(session, outbox.PUBLISH_LIST, {}, NOW)
    with office.preparing() as prepared:
        office.file(office.account("ada"), Photos(("ada-1",)))
        office.propagate()
        with office.sessions.begin() as session:
            for _ in range(others):
                outbox.add(session, outbox.PUBLISH_LIST, {}, NOW)
        with office.sessions.begin() as session:
            row = outbox.locked(session, own.id)
            publish(session, prepared, but=own.id)
            outbox.done(row, NOW)
    with office.sessions() as session:
        assert len(session.scalars(select(Outbox).where(Outbox.topic == "publish_list", Outbox.done_at.is_(None))).all()) == 1


def test_where_nothing_comes_or_goes_the_published_list_is_not_read(office: Office):
    ada = office.account("ada")
    office.file(ada, Photos(("ada-1",)))
    office.carry()
    entries = office.list_dir / "versions" / "1" / "entries.parquet"
    entries.rename(entries.with_name("away"))
    with office.sessions.begin() as session:
        log.state(session, Statement(LogKind.PHOTO_CONTESTED, NOW, photos=("ada-1",)), NOW)
    assert office.publish() is None
    with office.sessions() as session:
        assert session.scalars(select(LogEntry).where(LogEntry.leaf_index.is_(None))).all() == []


def test_entries_know_since_and_until_when_they_are_listed(office: Office):
    ada = office.account("ada")
    office.file(ada, Photos(("ada-1",)))
    office.carry()
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-1", NOW)
    office.file(ada, Photos(("ada-2",)))
    office.carry()
    assert "ada-1" not in {entry.key for entry in read(office).entries}
    with office.sessions() as session:
        spans = {(entry.since_version, entry.until_version) for entry in session.scalars(select(ExclusionEntry))}
    assert spans == {(1, 2), (2, None)}


def test_a_head_is_renewed_before_it_expires(office: Office):
    office.file(office.account("ada"), Photos(("ada-1",)))
    office.carry()
    assert office.publish(NOW + LIFETIME / 3) is None
    renewed = office.publish(NOW + LIFETIME * 2 / 3)
    assert renewed is not None
    assert (renewed.version, renewed.added, renewed.removed) == (2, 0, 0)


@pytest.mark.parametrize(("after", "promised"), [(LIFETIME / 3, 0), (LIFETIME * 2 / 3, 1)])
def test_the_relay_promises_the_renewal(office: Office, after: timedelta, promised: int):
    office.file(office.account("ada"), Photos(("ada-1",)))
    office.carry()
    with office.sessions.begin() as session:  # the publication that the filing promised is done
        session.execute(update(Outbox).values(done_at=NOW))
    for _ in range(2):
        with office.sessions.begin() as session:
            renew(session, LIFETIME, NOW + after)
    with office.sessions() as session:
        pending = select(Outbox).where(Outbox.topic == "publish_list", Outbox.done_at.is_(None))
        assert len(session.scalars(pending).all()) == promised


def test_changed_files_of_the_newest_version_stop_publishing(office: Office):
    ada = office.account("ada")
    office.file(ada, Photos(("ada-1",)))
    office.carry()
    entries = office.list_dir / "versions" / "1" / "entries.parquet"
    entries.write_bytes(entries.read_bytes() + b" ")
    office.file(ada, Photos(("ada-2",)))
    with pytest.raises(PublishedFilesChanged):
        office.carry()
    with office.sessions() as session:
        assert session.scalars(select(ExclusionListVersion.version)).all() == [1]


def test_what_was_withdrawn_and_filed_again_at_once_never_left_the_list(office: Office):
    ada = office.account("ada")
    office.file(ada, Photos(("ada-2",)))
    office.carry()
    later = NOW + timedelta(hours=1)
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-2", later)
    office.file(ada, Photos(("ada-2",)), later)
    office.propagate(later)
    assert office.publish(later) is None, "the entries are the same"
    with office.sessions() as session:
        first, second = session.scalars(select(OptOut).order_by(OptOut.id)).all()
    assert (first.effective_version, first.ended_version) == (1, None)
    assert second.effective_version == 1


def test_a_publication_fulfils_no_request_of_another_kind(office: Office):
    """An erasure or a restriction files opt-outs, too; that these are listed does not answer it."""
    ada = office.account("ada")
    kinds = {RequestKind.OBJECTION: "ada-1", RequestKind.ERASURE: "ada-2", RequestKind.RESTRICTION: "ada-3"}
    for kind, uid in kinds.items():
        filing = office.file(ada, Photos((uid,)))
        with office.sessions.begin() as session:
            session.get_one(RightsRequest, filing.request.id).kind = kind
    office.carry()
    with office.sessions() as session:
        states = dict(session.execute(select(RightsRequest.kind, RightsRequest.state)).all())
    assert states == {
        RequestKind.OBJECTION: RequestState.FULFILLED,
        RequestKind.ERASURE: RequestState.IN_PROGRESS,
        RequestKind.RESTRICTION: RequestState.IN_PROGRESS,
    }
