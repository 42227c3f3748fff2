"""H4: a member posts pictures that are small files and 88 million pixels each, and looks at their photos."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from PIL import Image

from demur.manifests import import_manifest
from tests.hostile.measuring import run_measured
from tests.support.databases import SqliteDatabases
from tests.support.pictures import png
from tests.support.portals import ADA, MANIFEST, TestedPortal, portal_for_tests

BOMBS = 8
SIDE = 9_380  # squared, some 88 million


@pytest.fixture(scope="module")
def catalogues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bombs' fingerprints came with the manifest, so that its import decodes none of them."""
    folder = tmp_path_factory.mktemp("bombs")
    lines = ["path,uid,owner,sha256,phash,pdq,pdq_quality"]
    for number in range(BOMBS):
        bomb = png(Image.new("RGB", (SIDE, SIDE), (number, 80, 200)))
        (folder / f"{number}.png").write_bytes(bomb)
        lines.append(f"{number}.png,bomb-{number},{ADA},{hashlib.sha256(bomb).hexdigest()},{number:016x},{'ab' * 32},90")
    (folder / "photos.csv").write_text("\n".join(lines))
    catalogues = tmp_path_factory.mktemp("catalogues")
    import_manifest(folder, catalogues / MANIFEST, name=MANIFEST, workers=0)
    return catalogues


def look(catalogues: str) -> str:
    """What the web process of a portal does when its member looks at all of them at once; before there are thumbnails, and after."""
    with TemporaryDirectory() as scratch, SqliteDatabases(Path(scratch)).fresh() as url:
        data = Path(scratch) / "data"
        data.mkdir()
        with portal_for_tests(data, url, Path(catalogues)) as portal:
            before = _kinds(portal)
            portal.settle()
            return f"{before} {_kinds(portal)}"


def _kinds(portal: TestedPortal) -> list[str]:
    session = portal.member(ADA).client.get_cookie("demur")
    assert session is not None

    def show(number: int) -> str:
        client = portal.app.test_client(use_cookies=False)
        return client.get(f"/photos/bomb-{number}/thumbnail", headers={"Cookie": f"demur={session.value}"}).mimetype or ""

    with ThreadPoolExecutor(BOMBS) as threads:
        return sorted(set(threads.map(show, range(BOMBS))))


def test_eight_bombs_at_once_cost_the_web_process_nothing_to_speak_of(catalogues: Path):
    measured = run_measured(look, str(catalogues))
    assert measured.output.splitlines()[-1] == "['image/svg+xml'] ['image/webp']"
    measured.refuse_costly()
