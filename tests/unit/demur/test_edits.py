import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from demur.similarity.edits import AS_IS_AND_MIRRORED, EDITS, TRIMMED, Edit, sampled, trimmed, variants
from demur.similarity.fingerprint import orientations
from demur.similarity.pdq import blurred, pdq
from demur.similarity.phash import phash
from demur.similarity.query import Variant
from demur.similarity.rules import MIN_QUALITY, QUALITY_FOR_EDITS, MatchKind, classify
from tests.support.pictures import textured_picture

BY_NAME = {edit.name: edit for edit in EDITS}


def photo(seed: int = 4, width: int = 400, height: int = 300) -> Image.Image:
    return textured_picture(seed, width, height).convert("L")


def cropped(luma: Image.Image, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Image.Image:
    width, height = luma.size
    return luma.crop((round(width * left), round(height * top), width - round(width * right), height - round(height * bottom)))


def in_an_app(luma: Image.Image) -> Image.Image:
    """A page with a line about the author above the photo, and symbols and words below it."""
    page = ImageOps.expand(luma, (0, 40, 0, 70), 250)
    draw = ImageDraw.Draw(page)
    draw.ellipse((8, 6, 34, 32), fill=120)
    draw.text((44, 14), "somebody.there", 0)
    draw.text((8, page.height - 40), "look at this", 0)
    return page


def found_by(searched: Image.Image, row: Image.Image) -> list[Variant]:
    """The variants of a picture that a row is a confirmed near duplicate of, the closest first."""
    found, (confirming, quality) = phash(row), pdq(row)
    bits = {variant: (int.from_bytes(variant.pdq, "big") ^ int.from_bytes(confirming, "big")).bit_count() for variant in variants(searched)}
    kinds = {
        variant: classify(
            same_bytes=False,
            phash_distance=(variant.phash ^ found).bit_count(),
            pdq_distance=distance,
            quality=variant.quality,
            other_quality=quality,
        )
        for variant, distance in bits.items()
    }
    return sorted((variant for variant, kind in kinds.items() if kind is MatchKind.CONFIRMED), key=lambda variant: bits[variant])


def test_the_photo_as_it_stands_comes_first_in_its_eight_orientations() -> None:
    luma = photo()
    turned = orientations(luma)
    whole = variants(luma)[:8]
    assert [(variant.edit, variant.dihedral) for variant in whole] == [("", number) for number in range(8)]
    assert tuple(variant.phash for variant in whole) == turned.phashes
    assert tuple(variant.pdq for variant in whole) == turned.pdqs


def test_then_every_edit_follows_as_it_stands_and_mirrored() -> None:
    edited = [(variant.edit, variant.dihedral) for variant in variants(photo())[8:]]
    assert edited == [(edit.name, number) for edit in EDITS for number in AS_IS_AND_MIRRORED]


def test_names_of_edits_tell_them_apart() -> None:
    assert len(BY_NAME) == len(EDITS)
    assert not {"", TRIMMED} & BY_NAME.keys()


@pytest.mark.parametrize(
    ("edit", "copy"),
    [
        ("cropped 8 % on all sides", cropped(photo(), 0.08, 0.08, 0.08, 0.08)),
        ("cropped 20 % at the top", cropped(photo(), top=0.2)),
        ("cropped to a square", cropped(photo(), left=0.125, right=0.125)),
        ("white border of 7 %", ImageOps.expand(photo(), 21, 255)),
        ("a bar of 14 % at the bottom", ImageOps.expand(photo(), (0, 0, 0, 42), 0)),
        ("a bar of 14 % at the bottom", ImageOps.expand(photo(), (0, 0, 0, 42), 255)),
        ("in a square", ImageOps.pad(photo(), (400, 400), color=255)),
        ("tilted to the left", photo().rotate(2, Image.Resampling.BICUBIC)),
        ("tilted to the right", photo().rotate(-2, Image.Resampling.BICUBIC)),
    ],
)
def test_an_edited_copy_is_found_by_its_edit(edit: str, copy: Image.Image) -> None:
    assert (found_by(photo(), copy)[0].edit, found_by(photo(), copy)[0].dihedral) == (edit, 0)


def test_a_copy_between_two_steps_is_found() -> None:
    assert found_by(photo(), cropped(photo(), 0.065, 0.065, 0.065, 0.065))


def test_a_mirrored_crop_is_found() -> None:
    assert found_by(photo(), cropped(ImageOps.mirror(photo()), left=0.12))[0].dihedral == 5


def test_a_crop_finds_what_it_was_cropped_from() -> None:
    assert found_by(cropped(photo(), right=0.1), photo())[0].edit == "before a crop of 10 % on the right"


@pytest.mark.parametrize(
    "framed",
    [
        ImageOps.expand(photo(), 30, 255),
        ImageOps.expand(photo(), (20, 60), 0),
        ImageOps.pad(photo(), (400, 866), color=0),
        in_an_app(photo()),
    ],
)
def test_a_framed_copy_finds_the_bare_photo(framed: Image.Image) -> None:
    bare = trimmed(framed)
    assert bare is not None
    assert max(abs(bare.width - 400), abs(bare.height - 300)) <= 2
    assert found_by(framed, photo())[0].edit == TRIMMED


def test_a_photo_without_a_frame_is_not_trimmed() -> None:
    assert trimmed(photo()) is None


def test_a_picture_of_one_shade_has_no_frame_and_no_edits() -> None:
    plain = Image.new("L", (300, 256), 200)
    assert trimmed(plain) is None
    assert len(variants(plain)) == 8


def test_a_photo_of_little_texture_is_searched_without_edits() -> None:
    """A border would say more than the photo does."""
    faint = photo().point(lambda value: 128 + (value - 128) // 3)
    assert MIN_QUALITY <= variants(faint)[0].quality < QUALITY_FOR_EDITS
    assert {variant.edit for variant in variants(faint)} == {""}


@given(st.integers(5, 700), st.integers(5, 700), st.sampled_from(EDITS))
def test_every_sample_is_the_photos_or_the_shade(width: int, height: int, edit: Edit) -> None:
    columns, rows = np.broadcast_arrays(*edit.places(width, height))
    plane = np.arange(width * height, dtype=np.float32).reshape(height, width) + 1000
    outside = (columns < 0) | (columns >= width) | (rows < 0) | (rows >= height)
    samples = sampled(edit, plane)
    assert samples.shape == (64, 64)
    if edit.shade is not None:
        assert (samples[outside] == edit.shade).all()
    assert (samples[~outside] == plane[rows[~outside], columns[~outside]]).all()


@given(st.integers(64, 700), st.integers(64, 700), st.sampled_from([edit for edit in EDITS if edit.name.startswith("cropped")]))
def test_a_crop_lies_inside_the_photo_and_is_read_in_order(width: int, height: int, edit: Edit) -> None:
    columns, rows = edit.places(width, height)
    assert columns.min() >= 0
    assert columns.max() < width
    assert rows.min() >= 0
    assert rows.max() < height
    assert (np.diff(columns) >= 0).all()
    assert (np.diff(rows, axis=0) >= 0).all()


def test_the_filtered_photo_keeps_its_size() -> None:
    assert blurred(photo(1, 333, 257)).shape == (257, 333)
