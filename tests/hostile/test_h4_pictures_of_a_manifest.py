"""H4: pictures that cost their decoder far more than their file lets expect, in a manifest that a trainer filters, hashes or trains on.

A JPEG that repeats a scan of some hundred bytes takes a fraction of a second each time, hours in all; a PNG of a few hundred kB takes
gigabytes. The trainer's own process decodes neither.
"""

import hashlib
import io
import json
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from demur.filtering.seeing import fingerprints
from demur.manifests import Catalogue, import_manifest
from demur.manifests.fingerprints import Failure, FingerprintPool
from demur.manifests.rejections import Reason
from rhea.config import TIERS
from rhea.data import load_samples
from tests.hostile.measuring import run_measured
from tests.support.odd_pictures import chunk
from tests.support.pictures import jpeg, textured_picture

SIDE = 6_000
REPEATS = 2_000


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A progressive JPEG of one colour, whose last scan comes again and again."""
    file = io.BytesIO()
    Image.new("L", (SIDE, SIDE), 90).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * REPEATS + b"\xff\xd9"


def test_a_filter_ends_with_it_at_the_limit_and_judges_the_next(slow: bytes):
    found = fingerprints([slow, jpeg(textured_picture(1))])
    assert found[0] is None
    assert found[1] is not None


def test_an_import_ends_with_it_at_the_limit_and_takes_the_next(slow: bytes, tmp_path: Path):
    (tmp_path / "slow.jpg").write_bytes(slow)
    (tmp_path / "next.jpg").write_bytes(jpeg(textured_picture(1)))
    with FingerprintPool(tmp_path, workers=1, timeout=2) as pool:
        held_up, after = pool.compute([("slow.jpg", 0), ("next.jpg", 0)], lambda _: None)
    assert isinstance(held_up, Failure)
    assert held_up.reason is Reason.UNREADABLE_PICTURE
    assert "takes too long" in held_up.message
    assert not isinstance(after, Failure)


def bomb() -> bytes:
    """A PNG of 88 million pixels of 16 bits and transparency: 700 MB. Whether the sandbox ends it in time depends on the machine."""
    side = 9_380
    rows = zlib.compress(bytes(1 + 8 * side) * side)
    header = struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def costly(slow: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest that brings its own fingerprints, so that its import decodes nothing."""
    folder = tmp_path_factory.mktemp("costly") / "photos"
    folder.mkdir()
    lines = ["path,uid,sha256,phash,pdq,pdq_quality"]
    for number, data in enumerate((slow, bomb(), jpeg(textured_picture(1)))):
        (folder / f"{number}.img").write_bytes(data)
        lines.append(f"{number}.img,p{number},{hashlib.sha256(data).hexdigest()},{number:016x},{'ab' * 32},90")
    (folder / "photos.csv").write_text("\n".join(lines) + "\n")
    import_manifest(folder, folder.parent / "catalogue", name="costly", workers=0)
    return folder.parent


def test_hashing_names_them_and_hashes_the_next(costly: Path):
    measured = run_measured(["-m", "demur", "hash", *(str(costly / f"photos/{number}.img") for number in range(3))])
    measured.refuse_costly()
    assert measured.code == 1
    assert "0.img: This picture takes too long" in measured.output
    assert '"file": "' + str(costly / "photos/2.img") in measured.output


def test_a_search_of_ones_own_index_names_it(costly: Path):
    index = str(costly / "index")
    assert run_measured(["-m", "demur", "index", "build", index, str(costly / "catalogue")]).code == 0
    measured = run_measured(["-m", "demur", "index", "query", index, str(costly / "photos/0.img")])
    measured.refuse_costly()
    assert (measured.code, "0.img: This picture" in measured.output) == (1, True)


def train_on(catalogue: str) -> str:
    samples = load_samples([Catalogue.open(Path(catalogue))], None, TIERS["tests"], lambda done, of: None)
    return json.dumps([samples.uids, samples.dropped])


def test_training_leaves_them_out_and_takes_the_next(costly: Path):
    measured = run_measured(train_on, str(costly / "catalogue"))
    measured.refuse_costly()
    uids, dropped = json.loads(measured.output.splitlines()[-1])
    assert set(uids) - {"p1"} == {"p2"}
    assert dropped == {"unreadable_picture": 3 - len(uids)}
