"""Pictures of every kind that people have: the same photo in another file is the same photo; what cannot be read is refused by name."""

import io
import struct
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from demur.similarity.fingerprint import (
    Fingerprint,
    NotAPicture,
    PictureError,
    PictureTooLarge,
    PictureTruncated,
    UnsupportedFormat,
    decode,
    fingerprint,
    open_picture,
)
from tests.support.pictures import png, textured_picture
from tests.support.profiles import ADOBE_RGB, DISPLAY_P3, cmyk_profile, grey_profile, rgb_profile

PHOTO = textured_picture(7, 640, 520)
HEIC = (Path(__file__).parents[2] / "data" / "pug.heic").read_bytes()
KINDS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "TIFF", "AVIF")


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture.copy().save(data, kind, **options)
    return data.getvalue()


def deep_png(samples: npt.NDArray[np.uint16], colour_type: int) -> bytes:
    """A PNG of 16 bits a channel, which Pillow writes for grey alone."""
    height, width = samples.shape[:2]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def is_same_photo(found: Fingerprint, photo: Fingerprint) -> bool:
    apart = (int.from_bytes(found.pdq, "big") ^ int.from_bytes(photo.pdq, "big")).bit_count()
    return (found.width, found.height) == (photo.width, photo.height) and (found.phash ^ photo.phash).bit_count() <= 4 and apart <= 20


DEEP = np.asarray(PHOTO).astype(np.uint16) * 257
DEEP_GREY = np.asarray(PHOTO.convert("L")).astype(np.uint16) * 257
OPAQUE = np.full(DEEP_GREY.shape, 65535, np.uint16)
LAB = ImageCms.applyTransform(PHOTO, ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"))
OTHER = textured_picture(8, 640, 520)
SAME_PHOTO = {
    **{f"{kind.lower()}": encoded(PHOTO, kind) for kind in KINDS},
    **{
        f"animated {kind}": encoded(PHOTO, kind, save_all=True, append_images=[OTHER.copy()])
        for kind in ("GIF", "WEBP", "PNG", "AVIF", "MPO")
    },
    "tiff of two pages": encoded(PHOTO, "TIFF", save_all=True, append_images=[OTHER.copy()]),
    "progressive jpeg": encoded(PHOTO, "JPEG", progressive=True),
    "jpeg with restart markers": encoded(PHOTO, "JPEG", restart_marker_rows=1),
    "jpeg of RGB": encoded(PHOTO, "JPEG", keep_rgb=True),
    "jpeg of CMYK, inverted as Adobe does": encoded(PHOTO.convert("CMYK"), "JPEG"),
    "grey jpeg": encoded(PHOTO.convert("L"), "JPEG"),
    "tiff of CMYK": encoded(PHOTO.convert("CMYK"), "TIFF"),
    "tiff of Lab": encoded(LAB, "TIFF"),
    "tiff of YCbCr": encoded(PHOTO.convert("YCbCr"), "TIFF", compression="jpeg"),
    "tiff with alpha": encoded(PHOTO.convert("RGBA"), "TIFF"),
    "fax": encoded(PHOTO.convert("1"), "TIFF", compression="group4"),
    "palette": encoded(PHOTO.quantize(256), "PNG"),
    "black and white": encoded(PHOTO.convert("1"), "PNG"),
    "grey with alpha": encoded(PHOTO.convert("LA"), "PNG"),
    "16 bits, grey png": encoded(Image.fromarray(DEEP_GREY), "PNG"),
    "16 bits, grey tiff": encoded(Image.fromarray(DEEP_GREY), "TIFF"),
    "16 bits, grey tiff, big-endian": encoded(Image.frombytes("I;16B", PHOTO.size, DEEP_GREY.astype(">u2").tobytes()), "TIFF"),
    "16 bits, png": deep_png(DEEP, 2),
    "16 bits, png with alpha": deep_png(np.dstack([DEEP, OPAQUE]), 6),
    "16 bits, grey png with alpha": deep_png(np.dstack([DEEP_GREY, OPAQUE]), 4),
    "with a profile that is none": encoded(PHOTO, "JPEG", icc_profile=b"rubbish" * 40),
    "with a profile of another kind": encoded(PHOTO, "JPEG", icc_profile=grey_profile(1.0)),
}


@pytest.mark.parametrize("name", SAME_PHOTO)
def test_the_same_photo_in_another_file(name: str) -> None:
    assert is_same_photo(fingerprint(SAME_PHOTO[name]), fingerprint(png(PHOTO)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("profile", [rgb_profile(DISPLAY_P3, 2.2), rgb_profile(ADOBE_RGB, 1.0)], ids=["Display P3", "Adobe RGB, linear"])
def test_colours_are_those_that_the_profile_means(kind: str, profile: bytes) -> None:
    source, target = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(profile))
    values = ImageCms.profileToProfile(PHOTO, source, target, renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC)
    assert values is not None
    with_profile, without = (luma_of(encoded(values, kind, icc_profile=given)) for given in (profile, b""))
    error, moved = (np.abs(each - luma_of(png(PHOTO))).mean() for each in (with_profile, without))
    assert error < 2.5
    assert moved > 0.5
    assert error < moved or moved < 2.5


def luma_of(data: bytes) -> npt.NDArray[np.float64]:
    return np.asarray(decode(data)[0]).astype(np.float64)


def test_profiles_of_grey_and_of_inks_are_applied() -> None:
    grey, inks = PHOTO.convert("L"), PHOTO.convert("CMYK")
    linear = luma_of(encoded(grey, "PNG", icc_profile=grey_profile(1.0)))
    assert linear.mean() > luma_of(png(grey)).mean() + 20
    assert np.abs(luma_of(encoded(inks, "JPEG", icc_profile=cmyk_profile())) - luma_of(encoded(inks, "JPEG"))).mean() > 5


def test_a_profile_that_is_srgb_changes_no_bit() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(luma_of(encoded(PHOTO, "JPEG", icc_profile=srgb)), luma_of(encoded(PHOTO, "JPEG")))


def test_heic_is_read_and_whatever_is_cut_off_is_missed() -> None:
    found = fingerprint(HEIC)
    assert (found.width, found.height, found.pdq_quality) == (64, 64, 100)
    for part in range(2, 100, 7):
        with pytest.raises(PictureTruncated):
            fingerprint(HEIC[: len(HEIC) * part // 100])


@pytest.mark.parametrize("name", SAME_PHOTO)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6])
def test_half_a_picture_has_no_fingerprint(name: str, part: float) -> None:
    whole = SAME_PHOTO[name]
    try:
        found = fingerprint(whole[: int(len(whole) * part)])
    except PictureTruncated:
        return
    assert found.pdq == fingerprint(whole).pdq  # what is cut off belongs to a later frame


@pytest.mark.parametrize("kind", [*KINDS, "HEIC"])
def test_whatever_follows_a_picture_is_another_file_of_the_same_picture(kind: str) -> None:
    picture = HEIC if kind == "HEIC" else encoded(PHOTO, kind)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a.txt", "hidden")
    for tail in (archive.getvalue(), b"<script>alert(1)</script>", b"%PDF-1.7\n", b"\0" * 100):
        both, alone = fingerprint(picture + tail), fingerprint(picture)
        assert (both.phash, both.pdq) == (alone.phash, alone.pdq)
        assert both.sha256 != alone.sha256


@pytest.mark.parametrize("kind", [*KINDS, "HEIC"])
@pytest.mark.parametrize("head", [b"PK\3\4", b"<!doctype html>", b"#!/bin/sh\n", b"GIF"])
def test_a_file_that_begins_as_something_else_is_refused(kind: str, head: bytes) -> None:
    with pytest.raises((NotAPicture, UnsupportedFormat)):
        fingerprint(head + (HEIC if kind == "HEIC" else encoded(PHOTO, kind)))


@pytest.mark.parametrize(
    "data",
    [
        encoded(PHOTO, "BMP"),
        encoded(PHOTO, "EPS"),
        encoded(PHOTO, "PDF"),
        encoded(PHOTO, "ICO"),
        encoded(PHOTO, "JPEG2000"),
        b"8BPS\0\1" + bytes(40),
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(Image.fromarray(np.zeros((9, 9), np.float32)), "TIFF"),
        encoded(Image.fromarray(np.zeros((9, 9), np.int32)), "TIFF"),
    ],
    ids=["bmp", "eps", "pdf", "ico", "jpeg 2000", "psd", "svg with xml", "svg", "floats", "32 bits"],
)
def test_other_pictures_are_named_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        fingerprint(data)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "TIFF"])
def test_a_small_file_of_very_many_pixels_is_refused_unread(kind: str) -> None:
    side = 10_000 if kind != "WEBP" else 16_000
    flat = Image.new("1", (side, side)) if kind in ("PNG", "TIFF") else Image.new("L", (side, side))
    bomb = encoded(flat, kind, **({"compression": "group4"} if kind == "TIFF" else {}))
    assert len(bomb) < 3_000_000
    with pytest.raises(PictureTooLarge):
        open_picture(bomb)


WHOLE = {**{kind: encoded(textured_picture(5, 90, 70), kind) for kind in KINDS}, "HEIC": HEIC}


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(sorted(WHOLE)),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12),
    length=st.floats(0.05, 1),
)
def test_damage_gives_a_fingerprint_or_a_named_error_and_nothing_else(kind: str, flips: list[tuple[float, int]], length: float) -> None:
    damaged = bytearray(WHOLE[kind])
    for place, value in flips:
        damaged[int(place * len(damaged))] = value
    try:
        with warnings.catch_warnings(action="ignore"):
            found = fingerprint(bytes(damaged[: max(int(length * len(damaged)), 1)]))
    except PictureError:
        return
    assert 0 <= found.pdq_quality <= 100
