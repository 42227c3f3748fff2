"""From a statement to its receipt, and what crashes between the steps leave behind."""

import pytest
from sqlalchemy import func, select

from demur.exclusions.reader import ExclusionList
from demur.exclusions.sources import DirectorySource
from demur.receipts import LogKind, Receipt
from demur.tlog import merkle
from demur.tlog.reader import LogReader
from models import LogEntry, OptOut, Outbox
from rights.log import LogAhead, write_log
from rights.optouts import Everything, Photos
from rights.receipts import entries_of, receipt
from rights.withdrawals import withdraw_photo, withdraw_request
from tests.factories import NOW
from tests.unit.rights.office import Office


def reader(office: Office) -> LogReader:
    return LogReader(DirectorySource(office.log_files.directory).read, office.log_key.verifier)


def receipts(office: Office, request) -> list[Receipt | None]:
    with office.sessions() as session:
        return [receipt(reader(office), entry) for entry in entries_of(session, request)]


def statements(office: Office, request) -> dict[LogKind, object]:
    found = [given.verify(office.log_key.verifier)[0] for given in receipts(office, request)]
    return {statement.kind: statement for statement in found}


def test_filing_listing_and_withdrawing_each_give_a_receipt(office: Office):
    ada = office.account("ada")
    request = office.file(ada, Photos(("ada-1", "ada-2"))).request
    version = office.carry()
    with office.sessions.begin() as session:
        withdraw_request(session, ada, request, NOW)
    office.publish()
    told = statements(office, request)
    assert set(told) == {LogKind.OPT_OUT_FILED, LogKind.OPT_OUT_LISTED, LogKind.OPT_OUT_WITHDRAWN}
    for statement in told.values():
        assert (statement.reference, statement.photos) == (request.reference, ("ada-1", "ada-2"))
    assert told[LogKind.OPT_OUT_LISTED].exclusion_list.version == version.version
    assert told[LogKind.OPT_OUT_LISTED].exclusion_list.root == version.root


def test_one_photo_put_back_is_stated_alone(office: Office):
    ada = office.account("ada")
    request = office.file(ada, Photos(("ada-1", "ada-2"))).request
    office.carry()
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-2", NOW)
    office.publish()
    assert statements(office, request)[LogKind.OPT_OUT_WITHDRAWN].photos == ("ada-2",)


def test_everything_of_an_owner_is_stated_by_the_owner(office: Office):
    request = office.file(office.account("ada"), Everything()).request
    office.carry()
    for statement in statements(office, request).values():
        assert (statement.photos, statement.owners) == ((), ("ada",))


def test_a_filing_has_its_receipt_before_its_photos_were_searched_for(office: Office):
    request = office.file(office.account("ada"), Photos(("ada-1",))).request
    assert receipts(office, request) == [None]
    assert office.publish() is None, "nothing is propagated, so there is no new version"
    assert set(statements(office, request)) == {LogKind.OPT_OUT_FILED}


def test_a_version_names_its_own_leaf(office: Office):
    office.file(office.account("ada"), Photos(("ada-1",)))
    office.carry()
    head = ExclusionList.open(office.list_dir, key=office.key.verifier, now=NOW).head
    with office.sessions() as session:
        entry = session.scalars(select(LogEntry).where(LogEntry.kind == LogKind.LIST_PUBLISHED)).one()
        given = receipt(reader(office), entry)
    assert head.log_leaf_index == given.leaf_index
    assert given.verify(office.log_key.verifier)[0].exclusion_list.root == head.root


def test_the_log_holds_nothing_that_a_stranger_could_guess(office: Office):
    """The same photos, opted out twice by the same person in the same second, have leaves that have nothing in common."""
    ada = office.account("ada")
    for _ in range(2):
        request = office.file(ada, Photos(("ada-1",))).request
        with office.sessions.begin() as session:
            withdraw_request(session, ada, request, NOW)
    office.publish()
    with office.sessions() as session:
        leaves = session.scalars(select(LogEntry.leaf).where(LogEntry.kind == LogKind.OPT_OUT_FILED)).all()
    assert len(set(leaves)) == 2
    bundle = b"".join(path.read_bytes() for path in office.log_files.directory.rglob("*") if path.is_file())
    assert b"ada" not in bundle


def test_leaves_are_numbered_without_a_gap_in_the_order_of_the_statements(office: Office):
    for owner in ("ada", "ben", "cleo"):
        office.file(office.account(owner), Everything())
        office.carry()
    with office.sessions() as session:
        numbers = session.scalars(select(LogEntry.leaf_index).order_by(LogEntry.id)).all()
        leaves = session.scalars(select(LogEntry.leaf).order_by(LogEntry.leaf_index)).all()
    assert numbers == list(range(len(numbers)))
    checkpoint = reader(office).checkpoint()
    assert (checkpoint.size, checkpoint.root) == (len(leaves), merkle.root(map(merkle.leaf_hash, leaves)))


def test_a_crash_after_the_commit_is_repaired_and_until_then_nothing_is_promised(office: Office):
    request = office.file(office.account("ada"), Photos(("ada-1",))).request
    office.propagate()
    office.crash_after_the_commit()  # before the log is written
    filed, listed = receipts(office, request)
    assert filed is not None, "it did not wait for the version"
    assert listed is None
    assert not (office.list_dir / "head.dsse.json").exists()
    office.make_public()
    assert None not in receipts(office, request)
    assert (office.list_dir / "head.dsse.json").exists()


def test_a_database_older_than_the_log_is_refused(office: Office):
    office.file(office.account("ada"), Photos(("ada-1",)))
    office.publish()
    with office.sessions.begin() as session:  # a backup from before is restored
        last = session.scalar(select(func.max(LogEntry.id)))
        session.delete(session.get(LogEntry, last))
    with office.sessions() as session, pytest.raises(LogAhead, match="restore a newer database"):
        write_log(session, office.log_files, office.log_key)


def test_mail_is_promised_once_to_whoever_has_an_address(office: Office):
    ada, ben = office.account("ada"), office.account("ben")
    with office.sessions.begin() as session:
        session.merge(ada).email = "ada@example.org"
    office.file(ada, Photos(("ada-1",)))
    office.file(ben, Photos(("ben-1",)))
    office.publish()
    office.publish()
    with office.sessions() as session:
        mails = session.scalars(select(Outbox).where(Outbox.topic == "mail_receipt")).all()
        assert len(mails) == 1
        entry = session.get(LogEntry, mails[0].payload["log_entry_id"])
        assert session.scalar(select(OptOut.owner).where(OptOut.request_id == entry.request_id)) == "ada"
