"""In which versions photos were named: what ends, or is named again, changes nothing about the past."""

from datetime import timedelta

from rights.contests import contest_photos
from rights.listed import listed
from rights.optouts import Everything, Photos
from rights.proposals import OPERATOR, accept_proposals, proposals_for
from rights.used import Span, Spans
from rights.withdrawals import withdraw_photo
from tests.factories import NOW
from tests.unit.rights.office import Office

LATER = NOW + timedelta(hours=1)


def named(office: Office, owner: str, uid: str) -> Spans:
    with office.sessions() as session:
        return listed(session, [owner], [uid]).of(owner, uid)


def test_a_photo_under_everything_was_named_by_its_owner_until_it_was_put_back(office: Office):
    ada = office.account("ada")
    office.file(ada, Everything())
    office.carry()
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-1", LATER)
    assert set(named(office, "ada", "ada-1")) == {Span(1)}
    office.carry(LATER)
    assert set(named(office, "ada", "ada-1")) == {Span(1, 2)}
    assert set(named(office, "ada", "ada-2")) == {Span(1, 2), Span(1)}, "by its uid, too"


def test_a_contested_copy_that_the_operator_takes_out_again_keeps_the_versions_it_was_in_before(office: Office):
    ben = office.account("ben")
    office.file(office.account("ada"), Photos(("ada-0",)))
    office.carry()
    assert named(office, "ben", "ben-exact") == (Span(1),)
    with office.sessions.begin() as session:
        contest_photos(session, ben, ["ben-exact"], LATER)
    office.carry(LATER)
    assert named(office, "ben", "ben-exact") == (Span(1, 2),)
    with office.sessions.begin() as session:
        proposals = [one.match_id for one in proposals_for(session, OPERATOR) if one.uid == "ben-exact"]
        accept_proposals(session, office.catalogues, OPERATOR, proposals, LATER)
    office.carry(LATER)
    assert set(named(office, "ben", "ben-exact")) == {Span(1, 2), Span(3)}


def test_nobody_names_what_nobody_opted_out(office: Office):
    office.file(office.account("ada"), Photos(("ada-0",)))
    office.carry()
    assert named(office, "ada", "ada-1") == ()
    assert named(office, "ada", "nul\0") == ()
