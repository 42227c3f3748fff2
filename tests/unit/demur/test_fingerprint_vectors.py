"""The vectors that other implementations are held to, and the kernels held to the libraries that define their hashes."""

import base64
import json

import imagehash
import numpy as np
import pdqhash
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from demur.similarity.fingerprint import FINGERPRINT_VERSION, ORIENTATIONS, orientations, pdq, phash
from demur.similarity.phash import thumbnail
from tests.support.fingerprint_vectors import VECTORS, described_file, described_plane
from tests.support.pictures import textured_picture

STORED = json.loads(VECTORS.read_text())
GREY = textured_picture(11, 900, 900).convert("L")


def test_the_vectors_are_of_this_version() -> None:
    assert STORED["version"] == FINGERPRINT_VERSION


@pytest.mark.parametrize("stored", STORED["planes"], ids=lambda stored: f"{stored['width']} x {stored['height']}")
def test_planes(stored: dict[str, object]) -> None:
    assert described_plane(stored["width"], stored["height"], stored["seed"]) == stored


@pytest.mark.parametrize("stored", STORED["files"], ids=lambda stored: stored["name"])
def test_files(stored: dict[str, str]) -> None:
    assert described_file(stored["name"], base64.b64decode(stored["data"])) == stored


@st.composite
def lumas(draw: st.DrawFn) -> Image.Image:
    """Crops of a photo, of any shape; some drowned in noise, some flat."""
    width, height = draw(st.integers(1, 800)), draw(st.integers(1, 800))
    left, top = draw(st.integers(0, 900 - width)), draw(st.integers(0, 900 - height))
    crop = np.asarray(GREY.crop((left, top, left + width, top + height)))
    noise = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 256, crop.shape)
    share = draw(st.sampled_from([0.0, 0.0, 0.3, 1.0]))
    return Image.fromarray((crop * (1 - share) + noise * share).astype(np.uint8))


@given(luma=lumas())
def test_phash_is_that_of_imagehash(luma: Image.Image) -> None:
    small = luma.resize((32, 32), Image.Resampling.LANCZOS)
    assert np.array_equal(thumbnail(np.asarray(luma)), np.asarray(small))
    assert f"{phash(luma):016x}" == str(imagehash.phash(luma))
    assert orientations(luma).phashes[0] == phash(luma)


@given(luma=lumas())
def test_pdq_is_that_of_pdqhash_in_all_orientations(luma: Image.Image) -> None:
    vectors, quality = pdqhash.compute_dihedral(np.asarray(luma.convert("RGB")))
    found = orientations(luma)
    assert found.quality == quality
    assert found.pdqs == tuple(np.packbits(vector.astype(bool)).tobytes() for vector in vectors)
    assert pdq(luma) == (found.pdqs[0], quality)


@pytest.mark.parametrize("number", range(8))
def test_phashes_of_orientations_are_those_of_the_turned_thumbnail(number: int) -> None:
    small, turn = GREY.resize((32, 32), Image.Resampling.LANCZOS), ORIENTATIONS[number]
    assert f"{orientations(GREY).phashes[number]:016x}" == str(imagehash.phash(small if turn is None else small.transpose(turn)))
