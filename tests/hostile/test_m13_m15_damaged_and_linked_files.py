"""M13: a damaged table of owners shows nobody another member's photos. M15: a caption is no link out of the manifest's folder."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demur.manifests import Catalogue, import_manifest
from tests.support.pictures import jpeg, textured_picture


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
    catalogue = Catalogue.open(shared)
    for number in (0, 1, 10, 50, 99):
        found = catalogue.owner_rows(f"owner-{number:03d}")
        assert found in (range(7 * number, 7 * number + 7), range(0)) or set(found) < set(range(7 * number, 7 * number + 7))


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
