"""The index over all manifests: complete whenever a manifest is registered, and made good when it is not."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from demur.manifests import import_manifest
from demur.similarity.index import NotAnIndex, SimilarityIndex
from models import Manifest, ManifestState
from rights.catalogues import Catalogues, IndexIncomplete
from rights.imports import ManifestNameTaken, import_and_register
from rights.indexing import compact_index, forget_catalogue, index_catalogue, index_state, mend_index, rebuild_index
from rights.lookup import look_up
from rights.optouts import Photos
from tests.factories import NOW, make_manifest
from tests.support.lookups import picture_of
from tests.support.pictures import photo_bytes
from tests.unit.rights.office import Office


def found(office: Office) -> list[str]:
    with office.sessions() as session:
        return [match.uid for match in look_up(session, office.catalogues, picture_of(photo_bytes("ada", 2)).query, ["ada"]).own]


@pytest.mark.parametrize("harm", ["gone", "torn", "foreign", "without the manifest"])
def test_without_a_whole_index_nothing_is_said_until_it_is_rebuilt(office: Office, harm: str):
    path = office.catalogues.similarity_dir
    assert found(office) == ["ada-2"]
    match harm:
        case "gone":
            shutil.rmtree(path)
        case "torn":
            (path / "index.json").write_text("{")
        case "foreign":
            (path / "index.json").write_text('{"format": "another/1"}')
        case "without the manifest":
            forget_catalogue(office.catalogues, "generated")
    office.file(office.account("ada"), Photos(("ada-2",)))
    for act in (found, Office.propagate):
        with pytest.raises(IndexIncomplete, match="flask index rebuild"):
            act(office)
    assert mend_index(office.sessions, office.catalogues)
    assert found(office) == ["ada-2"]
    office.propagate()
    assert not mend_index(office.sessions, office.catalogues)


def test_an_index_without_manifests_to_search_is_not_missed(sessions: sessionmaker[Session], tmp_path: Path):
    with sessions() as session:
        catalogues = Catalogues(tmp_path / "catalogues", tmp_path / "similarity")
        assert look_up(session, catalogues, picture_of(photo_bytes("ada", 2)).query, ["ada"]).own == ()


def test_an_import_is_searched_at_once_by_a_process_that_has_the_index_open(office: Office, photos_dir: Path):
    assert found(office) == ["ada-2"]
    elsewhere = Catalogues(office.catalogues.directory, office.catalogues.similarity_dir)
    import_and_register(office.sessions, elsewhere, photos_dir, "again", clock=lambda: NOW, workers=0)
    with office.sessions() as session:
        own = look_up(session, office.catalogues, picture_of(photo_bytes("ada", 2)).query, ["ada"]).own
    assert [match.manifests for match in own] == [("generated", "again")]


def test_an_import_that_cannot_be_registered_leaves_the_index_as_it_was(office: Office, photos_dir: Path):
    def take_the_name_over(progress: object) -> None:
        """Another import of the same name, after this one was thought dead."""
        with office.sessions.begin() as session:
            session.scalars(select(Manifest).where(Manifest.name == "late")).one().catalogue = "another"

    with pytest.raises(ManifestNameTaken):
        import_and_register(
            office.sessions, office.catalogues, photos_dir, "late", clock=lambda: NOW, workers=0, progress=take_the_name_over
        )
    assert SimilarityIndex.open(office.catalogues.similarity_dir).sources == ("generated",)
    assert [path.name for path in office.catalogues.directory.iterdir()] == ["generated"]


def test_an_import_leaves_an_index_of_another_version_as_it_is(office: Office, photos_dir: Path):
    path = office.catalogues.similarity_dir
    description = (path / "index.json").read_bytes().replace(b"demur-similarity-index/1", b"demur-similarity-index/2")
    (path / "index.json").write_bytes(description)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with pytest.raises(NotAnIndex, match="this version reads"):
        import_and_register(office.sessions, office.catalogues, photos_dir, "late", clock=lambda: NOW, workers=0)
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
    assert [catalogue.name for catalogue in office.catalogues.directory.iterdir()] == ["generated"]


def test_what_a_killed_import_left_is_no_hit_and_goes_with_the_next_compaction(office: Office, photos_dir: Path):
    import_manifest(photos_dir, office.catalogues.directory / "killed", name="killed", workers=0)
    index_catalogue(office.catalogues, "killed")
    assert found(office) == ["ada-2"]
    assert index_state(office.sessions, office.catalogues).left == ("killed",)
    assert compact_index(office.sessions, office.catalogues).sources == ("generated",)
    assert found(office) == ["ada-2"]


def test_a_rebuild_keeps_what_is_about_to_be_registered(office: Office, photos_dir: Path):
    with office.sessions.begin() as session:
        make_manifest(session, name="coming", catalogue="coming", state=ManifestState.IMPORTING, registered_at=None)
        make_manifest(session, name="early", catalogue="early", state=ManifestState.IMPORTING, registered_at=None)
    import_manifest(photos_dir, office.catalogues.directory / "coming", name="coming", workers=0)
    index_catalogue(office.catalogues, "coming")
    assert rebuild_index(office.sessions, office.catalogues).sources == ("generated", "coming")
    assert index_state(office.sessions, office.catalogues).missing == ()
