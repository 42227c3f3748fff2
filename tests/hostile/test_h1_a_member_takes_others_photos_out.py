"""H1: a member with 21 photos took 385 of 545 photos of 11 owners out by three made-up fingerprints, and nobody could end it."""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select

from demur.exclusions import ExclusionList, KeyKind
from demur.exclusions.sources import Missing
from demur.filtering import filter_manifest
from demur.manifests import Catalogue, import_manifest
from demur.signing import SigningKey
from demur.similarity.edits import EDITS
from demur.similarity.query import Query, Variant
from demur.similarity.sandbox import Sandbox
from demur.tlog.files import LogFiles
from models import OptOut, make_engine, make_sessions, writing
from portal.fingerprints import FINGERPRINT_VERSION, BadFingerprint, parse_fingerprint
from rights.artefacts import RunArtefacts
from rights.catalogues import Catalogues
from rights.indexing import index_catalogue
from rights.optouts import Photos, Picture
from rights.reach_limits import Hold
from tests.factories import NOW, make_manifest
from tests.support.databases import SqliteDatabases
from tests.support.lookups import picture_of
from tests.support.pictures import jpeg, textured_picture
from tests.support.training_sets import write_tar
from tests.unit.rights.office import Office

OWNERS, PHOTOS, OWN = 13, 545, 21
WHOLE, MIRRORED = 8, 2


def owner_of(number: int) -> str:
    return "ines" if number < OWN else f"member {number % (OWNERS - 1)}"


def file_of(number: int) -> bytes:
    return jpeg(textured_picture(number, 160, 120))


@pytest.fixture(scope="module")
def everyone(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """545 photos of 13 owners, ines' 21 among them."""
    folder = tmp_path_factory.mktemp("everyone")
    (folder / "pictures").mkdir()
    lines = ["path,uid,owner,caption"]
    for number in range(PHOTOS):
        (folder / "pictures" / f"{number}.jpg").write_bytes(file_of(number))
        lines.append(f"pictures/{number}.jpg,photo-{number},{owner_of(number)},a photo")
    (folder / "photos.csv").write_text("\n".join(lines))
    target = tmp_path_factory.mktemp("catalogues") / "everyone"
    import_manifest(folder, target, name="everyone", workers=0)
    return Catalogue.open(target)


@pytest.fixture
def office(everyone: Catalogue, tmp_path: Path, sqlite_databases: SqliteDatabases) -> Iterator[Office]:
    catalogues = Catalogues(everyone.path.parent, tmp_path / "similarity")
    index_catalogue(catalogues, everyone.path.name)
    with sqlite_databases.fresh() as url, Sandbox(wait=60) as sandbox:
        engine = make_engine(url)
        sessions = make_sessions(writing(engine))
        with sessions.begin() as session:
            manifest = make_manifest(session, name="everyone", catalogue="everyone", digest=everyone.digest, rows=everyone.rows)
        keys = SigningKey.generate("test"), SigningKey.generate("test/log")
        files = LogFiles(tmp_path / "log")
        yield Office(sessions, catalogues, sandbox, RunArtefacts(tmp_path / "runs"), tmp_path / "list", *keys, files, manifest.id)
        engine.dispose()


def looks_of(catalogue: Catalogue) -> list[tuple[int, bytes]]:
    rows = catalogue.take(list(range(catalogue.rows)), ["uid", "phash", "pdq"]).to_pylist()
    return [(row["phash"], row["pdq"]) for row in sorted(rows, key=lambda row: int(row["uid"].removeprefix("photo-")))]


def made_up(looks: list[tuple[int, bytes]], number: int) -> Picture:
    """A "picture" whose variants are as many different photos of others as a fingerprint has variants."""
    places = [("", turn) for turn in range(WHOLE)] + [(edit.name, turn) for edit in EDITS for turn in (0, 5)]
    others = looks[OWN + number * len(places) : OWN + (number + 1) * len(places)]
    variants = tuple(Variant(edit, turn, phash, pdq, 100) for (edit, turn), (phash, pdq) in zip(places, others, strict=True))
    return Picture(Query(f"{number:064x}", variants), 4000, 3000)


def sent(picture: Picture) -> str:
    variants = [asdict(one) | {"phash": f"{one.phash:016x}", "pdq": one.pdq.hex()} for one in picture.query.variants]
    size = {"width": picture.width, "height": picture.height}
    return json.dumps({"version": FINGERPRINT_VERSION, "sha256": picture.query.sha256, **size, "variants": variants})


def excluded(office: Office) -> set[str]:
    """Of others' photos, those that the list names by uid; nothing else in it may reach them."""
    try:
        entries = office.entries(1)
    except Missing:  # no version was published, for there was nothing to list
        return set()
    own = {f"photo-{number}" for number in range(OWN)}
    assert not [entry for entry in entries if entry.kind in (KeyKind.PHASH, KeyKind.SHA256)]
    return {entry.key for entry in entries if entry.kind is KeyKind.UID} - own


def test_the_made_up_fingerprints_are_refused_at_the_door(everyone: Catalogue):
    for number in range(3):
        with pytest.raises(BadFingerprint, match="of one picture"):
            parse_fingerprint(sent(made_up(looks_of(everyone), number)))


def test_filed_past_the_door_they_take_nothing_of_others_out(office: Office, everyone: Catalogue):
    pictures = tuple(made_up(looks_of(everyone), number) for number in range(3))
    office.file(office.account("ines"), Photos((), pictures))
    office.carry()
    assert not excluded(office)
    with office.sessions() as session:
        assert {opt_out.held_because for opt_out in session.scalars(select(OptOut))} == {Hold.FINGERPRINT}


def turned_photo_of(number: int, digest: str) -> Picture:
    """A "picture" of one hash: that of somebody's photo turned by a quarter, as which no row of a manifest looks."""
    turned = picture_of(jpeg(Image.open(io.BytesIO(file_of(number))).transpose(Image.Transpose.ROTATE_90)))
    look = turned.query.variants[0]
    return Picture(Query(digest, (look,)), 4000, 3000)


@pytest.mark.parametrize("digests", ["of her own photos", "made up"])
def test_looks_that_no_row_has_take_nothing_out_in_another_orientation(office: Office, everyone: Catalogue, tmp_path: Path, digests: str):
    victims = range(OWN, OWN + 20)
    own = [hashlib.sha256(file_of(number)).hexdigest() for number in range(len(victims))]
    names = own if digests == "of her own photos" else [f"{number:064x}" for number in victims]
    pictures = tuple(parse_fingerprint(sent(turned_photo_of(number, digest))) for number, digest in zip(victims, names, strict=True))
    ines = office.account("ines")
    office.file(ines, Photos((), pictures))
    office.file(ines, Photos(("photo-20",)))  # so that there is a list
    office.carry()
    looks = {entry.key for entry in office.entries(1) if entry.kind is KeyKind.PHASH}
    known = {f"{phash:016x}" for phash, _ in looks_of(everyone)[0 if digests == "of her own photos" else 20 : OWN]}
    assert looks == known  # of her own files, as they are, and not as she says
    shard = write_tar(tmp_path / "others.tar", {f"s{number}": {"jpg": file_of(number)} for number in victims})
    exclusions = ExclusionList.open(office.list_dir, key=office.key.verifier, now=NOW)
    report = filter_manifest(shard, tmp_path / "kept.tar", exclusions)
    assert (report.rows, report.kept) == (len(victims), len(victims))


def test_a_few_unlike_photos_behind_one_fingerprint_are_held_at_once(office: Office, everyone: Catalogue):
    whole = made_up(looks_of(everyone), 0)
    few = replace(whole, query=replace(whole.query, variants=whole.query.variants[:3]))
    office.file(office.account("ines"), Photos((), (few,)))
    office.carry()
    assert not excluded(office)
    with office.sessions() as session:
        assert session.scalars(select(OptOut)).one().held_because == Hold.UNLIKE


def test_a_request_of_a_hundred_pictures_of_others_is_held_as_a_whole(office: Office):
    stolen = tuple(picture_of(file_of(number)) for number in range(OWN, OWN + 100))
    office.file(office.account("ines"), Photos((), stolen))
    office.carry()
    assert not excluded(office)


def test_many_small_requests_reach_what_a_day_allows_and_no_more(office: Office):
    ines = office.account("ines")
    for first in range(OWN, OWN + 100, 10):
        office.file(ines, Photos((), tuple(picture_of(file_of(number)) for number in range(first, first + 10))))
        office.propagate()
    with office.sessions() as session:
        held = [opt_out.held for opt_out in session.scalars(select(OptOut).order_by(OptOut.id))]
    assert held == [False] * 60 + [True] * 40
