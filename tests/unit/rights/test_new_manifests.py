"""Opt-outs reach manifests that come later."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

import rights.catalogues
import rights.reach
from demur.exclusions import Entry, KeyKind
from demur.manifests import import_manifest
from demur.similarity.rules import MatchKind
from models import ExclusionEntry, ManifestState, OptOut, OptOutMatch, Outbox
from rights.catalogues import NoSuchManifest
from rights.hashes import Hashes
from rights.imports import PROPAGATE_MANIFEST, propagate_again, propagate_into_newer, registered_ids
from rights.indexing import index_catalogue
from rights.optouts import Everything, Photos, Picture
from rights.owned import find_owned
from rights.platform_events import Event, EventKind, receive_event
from rights.propagation import apply_propagation
from rights.reach import standing_ids
from rights.reach_limits import Limits
from rights.withdrawals import withdraw_photo
from tests.factories import NOW, make_manifest
from tests.support.lookups import picture_of
from tests.support.pictures import jpeg, photo_bytes, textured_picture
from tests.unit.rights.office import Office

LATER = NOW + timedelta(hours=1)


def register(office: Office, folder, photos: dict[str, tuple[str, bytes]]) -> int:
    """A second manifest in the same catalogues directory, as a relay and a worker would see it after its import."""
    (folder / "pictures").mkdir(parents=True)
    lines = ["path,uid,owner,caption"]
    for uid, (owner, data) in photos.items():
        (folder / "pictures" / f"{uid}.jpg").write_bytes(data)
        lines.append(f"pictures/{uid}.jpg,{uid},{owner},a photo")
    (folder / "photos.csv").write_text("\n".join(lines))
    return registered(office, folder, folder.name)


def registered(office: Office, source, name: str) -> int:
    target = office.catalogues.directory / name
    report = import_manifest(source, target, name=name, workers=0)
    index_catalogue(office.catalogues, target.name)
    with office.sessions.begin() as session:
        return make_manifest(session, name=name, catalogue=target.name, digest=report.digest).id


def propagate_manifest(office: Office, manifest_id: int) -> None:
    with office.sessions() as session:
        ids = standing_ids(session)
    findings = office.gather(ids, manifest_id)
    with office.sessions.begin() as session:
        apply_propagation(session, findings, limits=office.limits, now=LATER, complete=False)


def uids(office: Office, version: int) -> set[str]:
    return {entry.key for entry in office.entries(version) if entry.kind is KeyKind.UID}


def test_a_copy_posted_later_is_excluded(office: Office, tmp_path):
    office.file(office.account("ada"), Photos(("ada-2",)))
    office.carry()
    late = register(office, tmp_path / "late", {"dan-1": ("dan", jpeg(textured_picture(seed=2), quality=50))})
    propagate_manifest(office, late)
    office.publish(LATER)
    assert uids(office, 2) == {"ada-2", "dan-1"}


def test_a_mirrored_copy_of_an_uploaded_picture_is_excluded_later(office: Office, tmp_path):
    picture = textured_picture(seed=4711)
    office.file(office.account("ada"), Photos(pictures=(picture_of(jpeg(picture)),)))
    office.carry()
    mirrored = jpeg(picture.transpose(0))
    propagate_manifest(office, register(office, tmp_path / "late", {"dan-1": ("dan", mirrored)}))
    office.publish(LATER)
    assert uids(office, 2) == {"dan-1"}


def test_photos_that_an_owner_posts_later_are_covered_with_their_copies(office: Office, tmp_path):
    office.file(office.account("ada"), Everything())
    office.carry()
    photos = {"ada-new": ("ada", jpeg(textured_picture(seed=77))), "dan-copy": ("dan", jpeg(textured_picture(seed=77), quality=50))}
    propagate_manifest(office, register(office, tmp_path / "late", photos))
    office.publish(LATER)
    assert {"ada-new", "dan-copy"} <= uids(office, 2)


def test_a_photo_known_by_its_uid_alone_is_learned_from_its_first_manifest(office: Office, tmp_path):
    with office.sessions.begin() as session:
        receive_event(session, Event("e1", EventKind.PHOTO_DELETED, "dan", "dan-1", NOW), NOW)
    office.carry()
    with office.sessions() as session:
        assert session.scalars(select(OptOut)).one().sha256 is None
    copy_of_ada = {"dan-1": ("dan", jpeg(textured_picture(seed=3), quality=60))}
    propagate_manifest(office, register(office, tmp_path / "late", copy_of_ada))
    office.publish(LATER)
    assert uids(office, 2) == {"dan-1", "ada-3"}, "its copies in earlier manifests, too"
    with office.sessions() as session:
        learned = session.scalars(select(OptOut)).one()
        assert learned.sha256 is not None
        assert len(Hashes.of_opt_out(learned).variants) >= 8


def register_addresses(office: Office, folder, uid: str, owner: str, picture: Picture) -> int:
    """A manifest that is a list of addresses with hashes: it holds no picture."""
    look = picture.query.variants[0]
    row = {"uid": uid, "owner": owner, "caption": "a photo", "url": f"https://photos.example/{uid}", "width": 320, "height": 240}
    hashes = {"sha256": picture.query.sha256, "phash": f"{look.phash:016x}", "pdq": look.pdq.hex(), "pdq_quality": look.quality}
    folder.mkdir()
    (folder / "photos.jsonl").write_text(json.dumps(row | hashes))
    return registered(office, folder / "photos.jsonl", folder.name)


def test_a_picture_of_which_only_a_later_manifest_holds_the_file_is_decoded_from_that_one(office: Office, tmp_path):
    data = jpeg(textured_picture(seed=4711))
    claimed = replace(picture_of(data), decoded=False)
    register_addresses(office, tmp_path / "addresses", "ada-far", "ada", claimed)
    register(office, tmp_path / "files", {"ada-near": ("ada", data)})
    office.file(office.account("ada"), Photos(pictures=(claimed,)))
    office.carry()
    with office.sessions() as session:
        assert session.scalars(select(OptOut)).one().decoded
    assert uids(office, 1) == {"ada-far", "ada-near"}
    assert [entry for entry in office.entries(1) if entry.kind is KeyKind.PHASH], "its looks are listed, for we saw them"


def test_a_manifest_that_no_longer_has_the_file_takes_nothing_back_of_what_another_showed(office: Office, tmp_path):
    data = jpeg(textured_picture(seed=4711))
    claimed = replace(picture_of(data), decoded=False)
    register(office, tmp_path / "files", {"ada-near": ("ada", data)})
    register_addresses(office, tmp_path / "addresses", "ada-far", "ada", claimed)
    office.file(office.account("ada"), Photos(pictures=(claimed,)))
    office.carry()
    with office.sessions() as session:
        assert session.scalars(select(OptOut)).one().decoded


def test_a_new_manifest_can_pass_the_fan_out_limit(office: Office, tmp_path):
    office.limits = Limits(photos=1)
    office.file(office.account("ada"), Photos(("ada-2",)))
    office.carry()
    picture = textured_picture(seed=2)
    copies = {f"dan-{quality}": ("dan", jpeg(picture, quality=quality)) for quality in (40, 50, 60)}
    propagate_manifest(office, register(office, tmp_path / "late", copies))
    version = office.publish(LATER)
    assert version is not None
    assert uids(office, 2) == {"ada-2"}
    assert not [entry for entry in office.entries(2) if entry.kind is KeyKind.PHASH], "readers would exclude them by their looks"
    with office.sessions() as session:
        assert session.scalars(select(OptOut)).one().held


def test_a_picture_with_countless_copies_is_held_whatever_the_limit(office: Office, tmp_path, monkeypatch: pytest.MonkeyPatch):
    for place in (rights.catalogues, rights.reach):
        monkeypatch.setattr(place, "MOST_COPIES", 3)
    copies = {f"dan-{quality}": ("dan", jpeg(textured_picture(seed=2), quality=quality)) for quality in (40, 50, 60, 70)}
    register(office, tmp_path / "late", copies)
    office.file(office.account("ada"), Photos(("ada-2",)))
    office.carry()
    assert uids(office, 1) == {"ada-2"}
    with office.sessions() as session:
        opt_out = session.scalars(select(OptOut)).one()
        proposed = session.scalars(select(OptOutMatch).where(OptOutMatch.kind == MatchKind.PROPOSED)).all()
    assert opt_out.held
    assert 1 < len(proposed) <= 3, "the closest ones wait for a person"


def test_a_manifest_registered_while_an_opt_out_is_propagated_is_searched_again(office: Office, tmp_path):
    """Its own propagation ran before the photo's orientations were learned, so it found no mirrored copy."""
    office.file(office.account("ada"), Photos(("ada-2",)))
    with office.sessions() as session:
        searched = registered_ids(session)
        ids = standing_ids(session)
    findings = office.gather(ids)
    late = register(office, tmp_path / "late", {"dan-9": ("dan", jpeg(textured_picture(seed=2).transpose(0)))})
    propagate_manifest(office, late)
    with office.sessions.begin() as session:
        apply_propagation(session, findings, limits=office.limits, now=LATER)
    with office.sessions.begin() as session:
        propagate_into_newer(session, searched, LATER)
        promised = session.scalars(select(Outbox).where(Outbox.topic == PROPAGATE_MANIFEST)).all()
        assert [row.payload for row in promised] == [{"manifest_id": late}]
    propagate_manifest(office, late)
    office.publish(LATER)
    assert "dan-9" in uids(office, 1)


def test_propagating_again_lists_addresses_that_were_not_listed_before(office: Office):
    """As after an update from a version that listed rows by their uid alone."""
    office.file(office.account("ada"), Photos(("ada-2",)))
    office.propagate()
    with office.sessions.begin() as session:
        session.execute(delete(ExclusionEntry).where(ExclusionEntry.kind == KeyKind.URL))
    office.publish()
    with office.sessions.begin() as session:
        assert propagate_again(session, [], LATER) == ["generated"]
        promised = session.scalars(select(Outbox).where(Outbox.topic == PROPAGATE_MANIFEST)).one()
    for _ in range(2):
        propagate_manifest(office, promised.payload["manifest_id"])
    office.publish(LATER)
    assert office.entries(2) - office.entries(1) == {Entry(KeyKind.URL, "https://photos.example/ada-2")}


def test_only_registered_manifests_are_propagated_again(office: Office):
    with office.sessions.begin() as session:
        make_manifest(session, name="half", state=ManifestState.IMPORTING)
        assert propagate_again(session, ["generated", "generated"], LATER) == ["generated"]
        with pytest.raises(NoSuchManifest):
            propagate_again(session, ["half"], LATER)


def test_the_same_uid_in_another_manifest_may_be_another_persons_photo(office: Office, tmp_path):
    register(office, tmp_path / "late", {"ada-2": ("dan", jpeg(textured_picture(seed=99)))})
    with office.sessions() as session:
        assert [photo.owner for photo in find_owned(session, office.catalogues, ["dan"], ["ada-2"])] == ["dan"]
        assert [photo.owner for photo in find_owned(session, office.catalogues, ["ada"], ["ada-2"])] == ["ada"]


def test_photos_posted_after_one_was_put_back_still_stay_out(office: Office, tmp_path):
    """The list no longer names the owner then, so each new photo is listed when a manifest brings it; the one put back is not."""
    ada = office.account("ada")
    office.file(ada, Everything())
    office.carry()
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-1", LATER)
    office.carry(LATER)
    later = register(
        office,
        tmp_path / "later",
        {
            "ada-new": ("ada", jpeg(textured_picture(seed=9001))),
            "ada-1": ("ada", photo_bytes("ada", 1)),
            "zoe-new": ("zoe", jpeg(textured_picture(seed=9002))),
        },
    )
    propagate_manifest(office, later)
    office.publish(LATER)
    uids = {entry.key for entry in office.entries(3) if entry.kind is KeyKind.UID}
    assert "ada-new" in uids
    assert not {"ada-1", "zoe-new"} & uids


def test_looks_shared_with_a_photo_put_back_are_listed_again_for_a_new_one(office: Office, tmp_path):
    ada = office.account("ada")
    office.file(ada, Everything())
    office.carry()
    with office.sessions.begin() as session:
        withdraw_photo(session, ada, "ada-1", LATER)
    office.carry(LATER)
    digests = {entry.key for entry in office.entries(1) - office.entries(2) if entry.kind is KeyKind.SHA256}
    later = register(office, tmp_path / "later", {"ada-twin": ("ada", photo_bytes("ada", 1))})
    propagate_manifest(office, later)
    office.publish(LATER)
    assert digests <= {entry.key for entry in office.entries(3)}
