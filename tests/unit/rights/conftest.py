from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from demur.manifests import Catalogue
from demur.signing import SigningKey
from demur.similarity.sandbox import Sandbox
from demur.tlog.files import LogFiles
from rights.artefacts import RunArtefacts
from rights.catalogues import Catalogues
from rights.indexing import index_catalogue
from tests.factories import make_manifest
from tests.unit.rights.office import Office


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(wait=60) as opened:
        yield opened


@pytest.fixture
def office(sessions: sessionmaker[Session], catalogue: Catalogue, sandbox: Sandbox, tmp_path: Path) -> Office:
    """One registered manifest: the generated photos of tests.support.pictures."""
    catalogues_dir = tmp_path / "catalogues"
    catalogues_dir.mkdir()
    (catalogues_dir / catalogue.path.name).symlink_to(catalogue.path)
    catalogues = Catalogues(catalogues_dir, tmp_path / "similarity")
    index_catalogue(catalogues, catalogue.path.name)
    with sessions.begin() as session:
        manifest = make_manifest(session, name="generated", catalogue=catalogue.path.name, digest=catalogue.digest, rows=catalogue.rows)
    return Office(
        sessions=sessions,
        catalogues=catalogues,
        sandbox=sandbox,
        runs=RunArtefacts(tmp_path / "runs"),
        list_dir=tmp_path / "list",
        key=SigningKey.generate("test"),
        log_key=SigningKey.generate("test/log"),
        log_files=LogFiles(tmp_path / "log"),
        manifest_id=manifest.id,
    )
