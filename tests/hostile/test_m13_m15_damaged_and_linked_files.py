"""M13: a damaged table of owners shows nobody another member's photos. M15: a caption is no link out of the manifest's folder."""

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demur.manifests import Catalogue, DamagedTables, import_manifest, rebuild_tables
from tests.support.pictures import jpeg, textured_picture
from tests.support.portals import ADA, TestedPortal


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    owners = [f"owner-{number // 7:03d}" for number in range(700)]
    pq.write_table(pa.table({"uid": [f"u{number:04d}" for number in range(700)], "owner": owners}), tmp_path / "m.parquet")
    import_manifest(tmp_path / "m.parquet", tmp_path / "catalogue", name="shared", workers=0)
    return tmp_path / "catalogue"


@pytest.mark.parametrize("damage", ["cut to one", "empty", "all zero", "all far away", "one missing"])
def test_owners_see_their_own_photos_or_none(shared: Path, damage: str) -> None:
    starts = np.fromfile(shared / "owner.starts", dtype="<u4")
    changed = {
        "cut to one": starts[:1],
        "empty": starts[:0],
        "all zero": starts * 0,
        "all far away": starts + np.uint32(1_000_000),
        "one missing": np.delete(starts, 11),
    }[damage]
    changed.tofile(shared / "owner.starts")
    with pytest.raises(DamagedTables, match=r"owner\.starts"):
        Catalogue.open(shared).owner_rows("owner-001")
    (shared / "tables.sha256").unlink()  # as of an import of before
    catalogue = Catalogue.open(shared)
    for number in (0, 1, 10, 50, 99):
        found = catalogue.owner_rows(f"owner-{number:03d}")
        assert found in (range(7 * number, 7 * number + 7), range(0)) or set(found) < set(range(7 * number, 7 * number + 7))


@pytest.mark.parametrize("name", ["owner.digests", "owner.rows", "uid.digests", "uid.rows", "sha256.digests", "sha256.rows", "pdq.bin"])
def test_no_changed_byte_of_a_table_passes_unnoticed_and_a_rebuild_mends_it(shared: Path, name: str) -> None:
    assert Catalogue.open(shared).verify()
    data = bytearray((shared / name).read_bytes())
    data[-1:] = [data[-1] ^ 1] if data else b"\1"
    (shared / name).write_bytes(data)
    with pytest.raises(DamagedTables, match=name):
        Catalogue.open(shared).verify()
    if name.startswith("owner"):
        with pytest.raises(DamagedTables, match=name):
            Catalogue.open(shared).owner_rows("owner-001")
    rebuild_tables(shared)
    assert Catalogue.open(shared).verify()
    assert Catalogue.open(shared).owner_rows("owner-001") == range(7, 14)


def test_a_table_that_is_damaged_is_a_page_and_not_fewer_photos(portal: TestedPortal) -> None:
    catalogues = portal.config.catalogues_dir
    own = catalogues.with_name("own")
    shutil.copytree(catalogues, own)
    catalogues.unlink() if catalogues.is_symlink() else shutil.rmtree(catalogues)
    own.rename(catalogues)
    (starts,) = catalogues.glob("*/owner.starts")
    assert "as it was imported" in portal.run("manifest", "verify").output
    starts.write_bytes(starts.read_bytes()[:4])
    answer = portal.member(ADA).get("/photos")
    assert answer.status_code == 503
    assert "Your photos cannot be shown right now" in answer.text
    verified = portal.run("manifest", "verify")
    assert (verified.exit_code, "owner.starts" in verified.output) == (1, True)


def test_a_caption_beside_a_picture_is_no_link_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (tmp_path / "forms.secret").write_text("a secret")
    for name in ("linked", "inside", "pipe"):
        (folder / f"{name}.jpg").write_bytes(jpeg(textured_picture(len(name))))
    (folder / "linked.txt").symlink_to(tmp_path / "forms.secret")
    (folder / "words.txt").write_text("its own words")
    (folder / "inside.txt").symlink_to(folder / "words.txt")
    (folder / "loop.txt").symlink_to(folder / "loop.txt")
    os.mkfifo(folder / "pipe.txt")
    import_manifest(folder, tmp_path / "catalogue", name="linked", workers=0)
    captions = Catalogue.open(tmp_path / "catalogue").read(0, 3, ["uid", "caption"]).to_pylist()
    assert {row["uid"]: row["caption"] for row in captions} == {"inside.jpg": "its own words", "linked.jpg": "linked", "pipe.jpg": "pipe"}
