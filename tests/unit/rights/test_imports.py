from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from demur.manifests import MissingColumn
from models import Manifest, ManifestState, Outbox
from rights.catalogues import Catalogues
from rights.imports import PROPAGATE_MANIFEST, SILENT_AFTER, ManifestNameTaken, import_and_register
from rights.outbox import UPDATE_VECTORS
from rights.thumbnails import MAKE_THUMBNAILS
from tests.factories import NOW, make_manifest


def bring_in(sessions: sessionmaker[Session], directory: Path, source: Path, name: str = "generated", **options):
    catalogues = Catalogues(directory / "catalogues", directory / "similarity")
    return import_and_register(sessions, catalogues, source, name, clock=lambda: NOW, workers=0, **options)


def test_an_imported_manifest_is_registered_and_promises_its_propagation_and_vectors(
    sessions: sessionmaker[Session], tmp_path: Path, photos_dir: Path
):
    told = []
    manifest, report = bring_in(sessions, tmp_path, photos_dir, progress=told.append)
    assert told
    assert report.rows == 23
    with sessions() as session:
        row = session.scalars(select(Manifest)).one()
        assert (row.state, row.rows, row.digest) == (ManifestState.REGISTERED, 23, report.digest)
        assert row.rejected == {"not_public": 2}
        promised = {row.topic: row.payload for row in session.scalars(select(Outbox))}
        assert promised == {
            PROPAGATE_MANIFEST: {"manifest_id": manifest.id},
            UPDATE_VECTORS: {},
            MAKE_THUMBNAILS: {"manifest_id": manifest.id, "start": 0},
        }


def test_a_name_is_taken_once(sessions: sessionmaker[Session], tmp_path: Path, photos_dir: Path):
    bring_in(sessions, tmp_path, photos_dir)
    with pytest.raises(ManifestNameTaken):
        bring_in(sessions, tmp_path, photos_dir)


def test_an_import_under_way_keeps_its_name_until_it_falls_silent(sessions: sessionmaker[Session], tmp_path: Path, photos_dir: Path):
    with sessions.begin() as session:
        under_way = make_manifest(session, name="generated", state=ManifestState.IMPORTING, registered_at=None)
    with pytest.raises(ManifestNameTaken):
        bring_in(sessions, tmp_path, photos_dir)
    with sessions.begin() as session:
        session.get_one(Manifest, under_way.id).updated_at = NOW - SILENT_AFTER - timedelta(seconds=1)
    assert bring_in(sessions, tmp_path, photos_dir)[0].name == "generated"


def test_a_failed_import_leaves_nothing(sessions: sessionmaker[Session], tmp_path: Path):
    source = tmp_path / "bad.csv"
    source.write_text("caption\nno uid anywhere\n")
    with pytest.raises(MissingColumn):
        bring_in(sessions, tmp_path, source)
    assert list((tmp_path / "catalogues").glob("*")) == []
    with sessions() as session:
        assert session.scalars(select(Manifest)).all() == []
        assert session.scalars(select(Outbox)).all() == []
