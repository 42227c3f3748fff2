"""The grid, its filters, and one photo with its history."""

import pytest
from sqlalchemy import select

from demur.similarity.rules import MatchKind
from models import Manifest, OptOut, OptOutMatch, Outbox
from portal.pictures import text_tile
from rights.platform_events import Event, EventKind, receive_event
from tests.support.portals import ADA, BEN, TestedPortal, Visitor, now

ADAS = {f"ada-{n}" for n in range(6)}


@pytest.fixture
def ada(portal: TestedPortal) -> Visitor:
    return portal.member(ADA)


def shown(page: str) -> set[str]:
    return {part.split('"', 1)[0] for part in page.split('name="uid" value="')[1:]}


def opt_out(visitor: Visitor, *uids: str) -> str:
    """Returns the address of the request."""
    visitor.get("/photos")
    visitor.post("/opt-outs/check", {"uid": list(uids)})
    return visitor.post("/opt-outs", {"uid": list(uids)}).location


def test_strangers_are_asked_to_sign_in_and_come_back(portal: TestedPortal):
    answer = portal.visitor().get("/photos?year=2024")
    assert answer.status_code == 302
    assert answer.location == "/auth/sign-in?next=/photos?year%3D2024"


def test_the_grid_shows_own_public_photos_and_no_others(ada: Visitor):
    assert shown(ada.get("/photos").text) == ADAS


def test_filters_narrow_and_unknown_values_do_no_harm(ada: Visitor, portal: TestedPortal):
    portal.record_run("Run 1", ["ada-0", "ada-1", "ben-0"])
    assert shown(ada.get("/photos?status=in_run").text) == {"ada-0", "ada-1"}
    assert shown(ada.get("/photos?text=nothing-like-it").text) == set()
    assert shown(ada.get("/photos?status=nonsense&year=abc&page=999").text) == ADAS


def test_a_photo_of_someone_else_looks_like_none(ada: Visitor):
    assert ada.get("/photos/ada-0").status_code == 200
    for path in ("/photos/ben-0", "/photos/ben-0/thumbnail", "/photos/ben-0/picture", "/photos/no-such", "/photos/ada-private"):
        assert ada.get(path).status_code == 404


def test_the_four_facts_stand_side_by_side(ada: Visitor, portal: TestedPortal):
    portal.record_run("Run 1", [f"ada-{n}" for n in range(6)])
    opt_out(ada, "ada-1")
    page = ada.get("/photos/ada-1").text
    assert "You opted it out." in page
    assert "within seconds" in page
    portal.settle()
    portal.record_run("Run 2", ["ada-2"])
    page = ada.get("/photos/ada-1").text
    for words in ("Run 1</a> trained on it.", "You opted it out.", "since version 1.", "Run 2</a> did not use it."):
        assert words in page
    assert page.index("Run 1</a> trained on it.") < page.index("You opted it out.") < page.index("Run 2</a> did not use it.")


def test_the_proof_of_absence_or_use_is_the_owners_to_download(ada: Visitor, portal: TestedPortal):
    opt_out(ada, "ada-1")
    portal.settle()
    run = portal.record_run("Run 2", ["ada-2", "ben-0"])
    proof = ada.get(f"/photos/ada-1/proof/{run.public_id}.json")
    assert proof.mimetype == "application/json"
    assert proof.get_json()["uid"] == "ada-1"
    used = ada.get(f"/photos/ada-2/proof/{run.public_id}.json").get_json()
    assert (used["format"], used["uid"]) == ("demur-inclusion-proof/1", "ada-2")
    assert portal.member(BEN).get(f"/photos/ada-1/proof/{run.public_id}.json").status_code == 404


def test_a_photo_shows_a_tile_that_says_when_to_ask_again_until_its_thumbnail_is_made(ada: Visitor, portal: TestedPortal):
    tile = ada.get("/photos/ada-0/thumbnail")
    assert (tile.mimetype, tile.headers["Cache-Control"], tile.headers["Retry-After"]) == ("image/svg+xml", "no-store", "2")
    portal.settle()
    assert ada.get("/photos/ada-0/thumbnail").mimetype == "image/webp"


def test_a_photo_that_cannot_be_decoded_keeps_its_tile(ada: Visitor, portal: TestedPortal):
    digest = portal.workplace.catalogues.opened(manifest_of(portal)).read(0, 1, ["sha256"])["sha256"][0].as_py()
    portal.workplace.thumbnails.refuse(digest)
    tile = ada.get("/photos/ada-0/thumbnail")
    assert (tile.mimetype, "Retry-After" in tile.headers) == ("image/svg+xml", False)
    with portal.workplace.reading() as session:
        assert session.scalars(select(Outbox)).all() == []


def manifest_of(portal: TestedPortal) -> Manifest:
    with portal.workplace.reading() as session:
        return session.scalars(select(Manifest)).one()


def test_a_caption_of_megabytes_costs_a_tile_no_time():
    tile = text_tile("word " * 1_000_000)
    assert len(tile) < 2000


def test_thumbnails_are_small_cached_and_private(ada: Visitor, portal: TestedPortal):
    ada.get("/photos/ada-0/thumbnail")
    portal.settle()
    first = ada.get("/photos/ada-0/thumbnail")
    assert first.mimetype == "image/webp"
    assert "private" in first.headers["Cache-Control"]
    again = ada.get("/photos/ada-0/thumbnail", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert ada.get("/photos/ada-0/thumbnail?size=2").headers["ETag"] == first.headers["ETag"]  # the photo itself is no larger


def test_putting_a_photo_back(ada: Visitor, portal: TestedPortal):
    opt_out(ada, "ada-1")
    portal.settle()
    ada.get("/photos/ada-1")
    assert "Put back" in ada.get(ada.post("/photos/ada-1/put-back").location).text
    portal.settle()
    page = ada.get("/photos/ada-1").text
    assert "You put it back." in page
    assert "No longer in the exclusion list since version 2." in page


def test_what_the_platform_took_back_is_told_so(ada: Visitor, portal: TestedPortal):
    with portal.workplace.writing.begin() as session:
        receive_event(session, Event("e1", EventKind.PHOTO_MADE_PRIVATE, ADA, "ada-3", now()), now())
    assert "You made it private on the platform" in ada.get("/photos/ada-3").text


def test_the_owner_decides_about_a_lookalike(ada: Visitor, portal: TestedPortal):
    opt_out(ada, "ada-1")
    portal.settle()
    with portal.workplace.writing.begin() as session:
        opted_out = session.scalars(select(OptOut)).one()
        manifest_id = session.scalars(select(Manifest.id)).one()
        for position, uid in ((4, "ada-4"), (5, "ada-5")):
            session.add(
                OptOutMatch(
                    opt_out_id=opted_out.id,
                    manifest_id=manifest_id,
                    position=position,
                    uid=uid,
                    owner=ADA,
                    kind=MatchKind.PROPOSED,
                    phash_distance=8,
                    pdq_distance=60,
                )
            )
    assert ada.get("/photos/ada-1").text.count("Take that photo out like this one?") == 2
    assert "Take this photo out like that one?" in ada.get("/photos/ada-4").text
    address = ada.page.split('action="/photos/ada-4/proposals/')[1].split('"')[0]
    assert "Taken out as well." in ada.get(ada.post(f"/photos/ada-4/proposals/{address}", {"answer": "accept"}).location).text
    ada.get("/photos/ada-5")
    address = ada.page.split('action="/photos/ada-5/proposals/')[1].split('"')[0]
    assert "Left as it is." in ada.get(ada.post(f"/photos/ada-5/proposals/{address}", {"answer": "decline"}).location).text
    portal.settle()
    assert "in the exclusion list since" in ada.get("/photos/ada-4").text
    assert "in the exclusion list since" not in ada.get("/photos/ada-5").text
    again = ada.post(f"/photos/ada-5/proposals/{address}", {"answer": "accept"})
    assert "was decided already" in ada.get(again.location).text
