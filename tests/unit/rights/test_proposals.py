"""Rows that only may show an opted-out photo wait for their owner."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from demur.exclusions import KeyKind
from demur.similarity.rules import MatchKind
from models import ExclusionEntry, OptOutMatch
from rights.optouts import Photos
from rights.photos import get_photo
from rights.propagation import apply_propagation
from rights.propagation_plan import FoundRow, row_entries
from rights.proposals import OPERATOR, Decider, ProposalNotFound, accept_proposals, decline_proposals, proposals_for
from rights.reach import Finding
from rights.withdrawals import withdraw_photo
from tests.factories import NOW
from tests.unit.rights.office import Office

LATER = NOW + timedelta(hours=1)
ADA = Decider("ada", ("ada",))


@pytest.fixture
def proposal(office: Office):
    """ada-0 is opted out, and ada-5 was found to look like it."""
    ada = office.account("ada")
    filing = office.file(ada, Photos(("ada-0",)))
    office.carry()
    with office.sessions.begin() as session:
        opt_out_id = session.scalars(select(ExclusionEntry.opt_out_id)).first()
        [(_, catalogue)] = office.catalogues.registered(session)
        found = {"manifest_id": office.manifest_id, "kind": MatchKind.PROPOSED, "phash_distance": 8, "pdq_distance": 60}
        for uid, owner in (("ada-5", "ada"), ("ben-5", "ben")):
            position = int(catalogue.find_uids([uid])[0])
            session.add(OptOutMatch(opt_out_id=opt_out_id, position=position, uid=uid, owner=owner, **found))
    assert filing.filed == 1
    with office.sessions() as session:
        return ada, proposals_for(session, ADA, "ada-5")[0]


def test_only_ones_own_rows_are_proposed(office: Office, proposal):
    with office.sessions() as session:
        assert [(one.uid, one.opted_out) for one in proposals_for(session, ADA)] == [("ada-5", "ada-0")]
        assert proposals_for(session, Decider("ben", ("ben",))) == [], "the opt-out behind it is somebody else's business"
        assert proposals_for(session, ADA, "ada-0") == proposals_for(session, ADA, "ada-5")
        assert proposals_for(session, ADA, "ada-1") == []


def test_an_accepted_one_leaves_training_and_comes_back_with_its_opt_out(office: Office, proposal):
    ada, one = proposal
    with office.sessions.begin() as session:
        assert accept_proposals(session, office.catalogues, Decider.member(ada), [one.match_id], LATER) == ["ada-5"]
    with office.sessions() as session:
        accepted = get_photo(session, office.catalogues, office.runs, ["ada"], "ada-5")
    assert accepted.listed_since is None, "its opt-out is in the list since version 1, this photo is not yet"
    version = office.publish(LATER)
    assert version is not None
    assert office.entries(2) - office.entries(1) == set(row_entries("ada-5", "https://photos.example/ada-5"))
    with office.sessions.begin() as session:
        photo = get_photo(session, office.catalogues, office.runs, ["ada"], "ada-5")
        assert photo.opt_out is not None
        assert (photo.opt_out.through, photo.listed_since) == ("ada-0", 2)
        withdraw_photo(session, ada, "ada-0", LATER)
    emptied = office.publish(LATER)
    assert emptied is not None
    assert emptied.total == 0


def test_a_declined_one_stays_and_is_not_asked_again(office: Office, proposal):
    ada, one = proposal
    with office.sessions.begin() as session:
        decline_proposals(session, Decider.member(ada), [one.match_id], LATER)
    assert office.publish(LATER) is None
    with office.sessions.begin() as session:
        assert proposals_for(session, ADA) == []
        with pytest.raises(ProposalNotFound):
            accept_proposals(session, office.catalogues, Decider.member(ada), [one.match_id], LATER)


def test_nobody_else_decides(office: Office, proposal):
    _, one = proposal
    ben = office.account("ben")
    with office.sessions.begin() as session, pytest.raises(ProposalNotFound):
        accept_proposals(session, office.catalogues, Decider.member(ben), [one.match_id], LATER)


def test_the_operator_decides_about_the_photos_of_others(office: Office, proposal):
    with office.sessions.begin() as session:
        waiting = {one.uid: one for one in proposals_for(session, OPERATOR)}
        assert set(waiting) == {"ada-5", "ben-5"}, "the cropped copy of ada-0 is sure enough to go by itself"
        assert waiting["ben-5"].owner == "ben"
        assert accept_proposals(session, office.catalogues, OPERATOR, [waiting["ben-5"].match_id], LATER) == ["ben-5"]
        decline_proposals(session, OPERATOR, [waiting["ada-5"].match_id], LATER)
        assert proposals_for(session, OPERATOR) == []
    version = office.publish(LATER)
    assert version is not None
    assert office.entries(2) - office.entries(1) == set(row_entries("ben-5", "https://photos.example/ben-5"))


def test_propagating_again_lists_an_accepted_one_in_full(office: Office, proposal):
    """It was accepted when rows were listed by their uid alone."""
    _, one = proposal
    with office.sessions.begin() as session:
        accept_proposals(session, office.catalogues, OPERATOR, [one.match_id], LATER)
    with office.sessions.begin() as session:
        match = session.get_one(OptOutMatch, one.match_id)
        session.execute(delete(ExclusionEntry).where(ExclusionEntry.kind == KeyKind.URL))
    row = FoundRow(match.manifest_id, match.position, "ada-5", "ada", MatchKind.PROPOSED, 8, 60, "https://photos.example/ada-5")
    with office.sessions.begin() as session:
        findings = {match.opt_out_id: Finding(rows=[row])}
        apply_propagation(session, findings, limits=office.limits, now=LATER, complete=False)
    assert office.publish(LATER) is not None
    assert set(row_entries("ada-5", "https://photos.example/ada-5")) <= office.entries(2)
