"""H1, the victim's side: the owner of a photo that somebody else's opt-out took out gets it back, and the operator decides."""

import json

import pytest
from sqlalchemy import select

from demur.exclusions import KeyKind
from jobs.workplace import now
from models import Account, ExclusionEntry
from rights.optouts import Photos, file_opt_outs
from tests.support.lookups import picture_of
from tests.support.pictures import photo_bytes
from tests.support.portals import ADA, BEN, TestedPortal


@pytest.fixture
def taken(portal: TestedPortal) -> TestedPortal:
    """ada opted out a picture that is ben-1, and one that is hers."""
    portal.member(ADA)
    workplace = portal.workplace
    with workplace.writing.begin() as session:
        ada = session.scalars(select(Account)).one()
        pictures = (picture_of(photo_bytes("ben", 1)), picture_of(photo_bytes("ada", 1)))
        file_opt_outs(session, workplace.catalogues, ada, Photos((), pictures), now=now())
    portal.settle()
    return portal


def listed(portal: TestedPortal) -> set[tuple[str, str]]:
    with portal.workplace.reading() as session:
        rows = session.execute(select(ExclusionEntry.kind, ExclusionEntry.key).where(ExclusionEntry.ended.is_(False)))
        return {(kind, key) for kind, key in rows}


def contest(portal: TestedPortal) -> None:
    ben = portal.member(BEN)
    assert "That one is mine" in ben.get("/photos/ben-1").text
    assert ben.post("/photos/ben-1/contest").status_code == 303
    portal.settle()


def test_a_contested_photo_is_back_and_nothing_names_it_by_uid_bytes_or_looks(taken: TestedPortal):
    before = listed(taken)
    contest(taken)
    assert (KeyKind.UID, "ben-1") in before
    after = listed(taken)
    assert (KeyKind.UID, "ben-1") not in after
    assert (KeyKind.UID, "ada-1") in after
    assert {kind for kind, _ in before - after} == {KeyKind.UID, KeyKind.URL, KeyKind.SHA256, KeyKind.PHASH}
    assert "That one is mine" not in taken.member(BEN).get("/photos/ben-1").text


def test_my_photos_say_which_were_taken_out_until_they_are_contested(taken: TestedPortal):
    notice = "taken out because someone else opted out a picture that looks the same"
    ben = taken.member(BEN)
    assert notice in ben.get("/photos").text
    contest(taken)
    assert notice not in ben.get("/photos").text


def test_the_operator_sees_what_is_contested_and_may_accept_it_again(taken: TestedPortal):
    contest(taken)
    [proposal] = json.loads(taken.run("proposals", "list", "--json").stdout)
    assert (proposal["uid"], proposal["contested"]) == ("ben-1", True)
    taken.run("proposals", "accept", str(proposal["match_id"]))
    taken.settle()
    assert (KeyKind.UID, "ben-1") in listed(taken)
    ben = taken.member(BEN)
    ben.get("/photos")
    assert ben.post("/photos/ben-1/contest").status_code == 303
    assert (KeyKind.UID, "ben-1") in listed(taken), "what the operator decided stays"


def test_nobody_contests_a_photo_of_somebody_else(taken: TestedPortal):
    ada = taken.member(ADA)
    ada.get("/photos/ada-1")
    assert ada.post("/photos/ben-1/contest").status_code == 404
