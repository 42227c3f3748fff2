"""What a request's page says of copies that went with it, and of what waits for a person or is kept."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from jobs.workplace import now
from models import Account, OptOutMatch, RightsRequest
from rights.copies import copies_of
from rights.optouts import Everything, Photos, Picture, Selection, file_opt_outs
from tests.factories import IdentityFactory
from tests.support.lookups import picture_of
from tests.support.pictures import jpeg, photo_bytes, textured_picture
from tests.support.portals import ADA, BEN, CLEO, TestedPortal, Visitor, portal_for_tests

AWAY = jpeg(textured_picture(seed=77_777))
"""In no manifest."""


def linked(portal: TestedPortal, owner: str) -> None:
    """ada links another sign-in, whose photos are hers then."""
    with portal.workplace.writing.begin() as session:
        account = session.scalars(select(Account)).one()
        account.identities.append(IdentityFactory(owner=owner))


def files(portal: TestedPortal, selection: Selection) -> tuple[Visitor, str]:
    """ada files it; her browser, and the address of the request's page."""
    ada = portal.member(ADA)
    with portal.workplace.writing.begin() as session:
        account = session.scalars(select(Account).order_by(Account.id).limit(1)).one()
        filing = file_opt_outs(session, portal.workplace.catalogues, account, selection, now=now())
    portal.settle()
    return ada, f"/requests/{filing.request.public_id}"


def looked_up(*files_: bytes) -> Photos:
    return Photos((), tuple(picture_of(data) for data in files_))


def again(row: OptOutMatch, **values: Any) -> OptOutMatch:
    """The same match at another place."""
    names = ("opt_out_id", "manifest_id", "uid", "owner", "kind", "phash_distance", "pdq_distance", "edit", "dihedral")
    return OptOutMatch(**{name: getattr(row, name) for name in names} | values)


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def copies_section(page: str) -> str:
    return page[page.index('id="copies"') :]


def test_copies_of_others_are_told_by_their_looks_alone(portal: TestedPortal):
    ada, address = files(portal, Photos(("ada-0",)))
    page = ada.get(address).text
    told = words_of(copies_section(page))
    assert "5 close copies went with it" in words_of(page)
    for words in ("A member’s copy, the same file", "A member’s copy, mirrored", "A member’s copy, cropped"):
        assert words in told
    assert "2 copies by other members, resized or saved again" in told
    for secret in ("ben-", "cleo-", BEN, CLEO, "Ben", "Chiara"):
        assert secret not in page
    assert "<img" not in copies_section(page)


def test_the_persons_own_copies_are_shown_side_by_side_with_how_alike_they_are(portal: TestedPortal):
    portal.member(ADA)
    linked(portal, CLEO)
    ada, address = files(portal, Photos(("ada-0",)))
    section = copies_section(ada.get(address).text)
    pairs = re.findall(r'<div class="pair">.*?</li>', section, re.S)
    shown = {tuple(re.findall(r'src="/photos/([^/"]+)/thumbnail"', pair)): words_of(pair) for pair in pairs}
    assert set(shown) == {("ada-0", "cleo-mirrored"), ("ada-0", "cleo-cropped")}
    assert "Yours, mirrored" in shown["ada-0", "cleo-mirrored"]
    assert "Yours, cropped" in shown["ada-0", "cleo-cropped"]


def test_a_copy_of_a_looked_up_picture_stands_beside_words_for_we_do_not_keep_the_picture(portal: TestedPortal):
    ada, address = files(portal, looked_up(jpeg(textured_picture(seed=0), quality=70)))
    section = words_of(copies_section(ada.get(address).text))
    assert "The picture you looked up. We do not keep it." in section
    assert "Yours, resized or saved again" in section


def test_photos_that_were_opted_out_themselves_are_no_copies_that_went_with_them(portal: TestedPortal):
    portal.member(ADA)
    linked(portal, CLEO)
    ada, address = files(portal, Photos(("ada-0", "cleo-mirrored")))
    section = copies_section(ada.get(address).text)
    assert "cleo-cropped" in section
    assert section.count('class="pair"') == 1


def test_of_many_copies_the_first_are_shown_and_the_rest_counted(portal: TestedPortal):
    portal.member(ADA)
    linked(portal, CLEO)
    ada, address = files(portal, Photos(("ada-0",)))
    with portal.workplace.writing.begin() as session:
        row = session.scalars(select(OptOutMatch).where(OptOutMatch.uid == "cleo-mirrored")).one()
        session.add_all(again(row, position=1000 + number, uid=f"more-{number:02}") for number in range(20))
        session.flush()
        request = session.scalars(select(RightsRequest)).one()
        copies = copies_of(session, request, (ADA, CLEO))
    assert (len(copies.own), copies.own_total, copies.own_more) == (12, 22, 10)
    section = words_of(copies_section(ada.get(address).text))
    assert "And 10 more of yours." in section


def test_a_photo_in_several_manifests_is_one_copy(portal: TestedPortal):
    ada, address = files(portal, Photos(("ada-0",)))
    with portal.workplace.writing.begin() as session:
        rows = session.scalars(select(OptOutMatch).where(OptOutMatch.owner == BEN)).all()
        session.add_all(again(row, position=5000 + row.position) for row in rows)
    assert "5 close copies went with it" in words_of(ada.get(address).text)


def test_everything_shows_copies_of_others_and_none_of_ones_own(portal: TestedPortal):
    ada, address = files(portal, Everything())
    page = ada.get(address).text
    assert "5 close copies went with them" in words_of(page)
    assert 'class="pair"' not in page


@pytest.fixture
def strict(tmp_path: Path, database_url: str, member_catalogues: Path) -> Iterator[TestedPortal]:
    with portal_for_tests(tmp_path, database_url, member_catalogues, reach_of_picture=0, reach_of_fingerprint=0, fan_out_limit=0) as portal:
        yield portal


NEVER = ("The next training run", "within seconds", "The list’s next version names")


def test_a_held_picture_says_what_is_held_why_and_what_comes_next_and_promises_nothing(strict: TestedPortal):
    ada, address = files(strict, looked_up(photo_bytes("ben", 1)))
    page = words_of(ada.get(address).text)
    assert "A person looks at your opt-out first" in page
    assert "1 picture you looked up." in page
    assert "It would take out many photos that other members posted" in page
    assert "Until then the list does not name it" in page
    assert "This page says how they decided" in page
    assert not [words for words in NEVER if words in page]
    assert "data-live" not in ada.page, "nothing changes by itself"
    assert "A person looks at it first" in words_of(ada.get("/requests").text)


def test_a_held_fingerprint_says_that_we_never_saw_the_picture(strict: TestedPortal):
    picture = picture_of(photo_bytes("ben", 1))
    copy = replace(picture.query, sha256="0" * 64)  # another file, of which no manifest has the bytes
    ada, address = files(strict, Photos((), (Picture(copy, picture.width, picture.height, decoded=False),)))
    assert "we never saw the picture" in words_of(ada.get(address).text)


def test_a_kept_fingerprint_is_not_said_to_be_on_its_way(portal: TestedPortal):
    picture = picture_of(AWAY)
    ada, address = files(portal, Photos((), (Picture(picture.query, picture.width, picture.height, decoded=False),)))
    page = words_of(ada.get(address).text)
    assert "We keep your opt-out" in page
    assert "is in no training list now" in page
    assert not [words for words in NEVER if words in page]
    assert "Kept until a training list brings it" in words_of(ada.get("/requests").text)


def test_of_a_photo_and_a_held_picture_the_photo_is_in_the_list_and_the_picture_waits(strict: TestedPortal):
    ada, address = files(strict, Photos(("ada-1",), (picture_of(photo_bytes("ben", 1)),)))
    page = words_of(ada.get(address).text)
    assert "Part of your opt-out is in the list" in page
    assert "since version 1: 1 of 2." in page
    assert "1 picture you looked up." in page
    assert "The next training run that begins must leave the rest out" in page
    assert "a person looks at 1 of 2" in words_of(ada.get("/requests").text)


def test_a_held_photo_is_in_the_list_and_only_its_copies_wait(strict: TestedPortal):
    ada, address = files(strict, Photos(("ada-0",)))
    page = words_of(ada.get(address).text)
    assert "Your opt-out is in the list" in page
    assert "Copies of 1 photo." in page
    assert "Your own photos do not wait for that." in page


def test_once_a_person_released_it_the_picture_is_in_the_list(strict: TestedPortal):
    ada, address = files(strict, looked_up(photo_bytes("ben", 1)))
    with strict.workplace.reading() as session:
        ids = [str(one) for one in session.scalars(select(OptOutMatch.id))]
    assert strict.run("proposals", "accept", *ids).exit_code == 0
    strict.settle()
    page = words_of(ada.get(address).text)
    assert "Your opt-out is in the list" in page
    assert "waits for a person" not in page


def test_once_a_person_left_others_photos_in_the_picture_is_kept(strict: TestedPortal):
    picture = picture_of(photo_bytes("ben", 1))
    ada, address = files(strict, Photos((), (Picture(picture.query, picture.width, picture.height, decoded=False),)))
    with strict.workplace.reading() as session:
        ids = [str(one) for one in session.scalars(select(OptOutMatch.id))]
    assert strict.run("proposals", "decline", *ids).exit_code == 0
    strict.settle()
    page = words_of(ada.get(address).text)
    assert "Copies of others stay in" in page
    assert "waits for a person" not in page
    assert not [words for words in NEVER if words in page]


def test_a_contested_picture_that_was_in_the_list_says_so_and_waits(portal: TestedPortal):
    portal.member(ADA)
    portal.member(BEN)
    ada, address = files(portal, looked_up(photo_bytes("ben", 1)))
    ben = portal.member(BEN)
    ben.get("/taken-out")
    ben.post("/taken-out", {"uid": ["ben-1"]})
    portal.settle()
    page = words_of(ada.get(address).text)
    assert "It was in the exclusion list from version" in page
    assert "Another member says that a photo which it took out is theirs" in page
    assert "ben" not in page.lower().replace("been", "")
