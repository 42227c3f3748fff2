"""H4: a JPEG that repeats a scan of some hundred bytes costs its decoder a fraction of a second each time, hours in all."""

import io
from pathlib import Path

import pytest
from PIL import Image

from demur.filtering.seeing import fingerprints
from demur.manifests.fingerprints import Failure, FingerprintPool
from demur.manifests.rejections import Reason
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
