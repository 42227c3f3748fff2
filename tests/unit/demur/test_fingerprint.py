import io

import imagehash
import numpy as np
import pdqhash
import psutil
import pytest
from PIL import Image

from demur.similarity.decoding import MAX_PIXELS, MAX_SIDE
from demur.similarity.fingerprint import (
    ORIENTATIONS,
    WORKING_SIDE,
    NotAPicture,
    PictureTooLarge,
    PictureTruncated,
    UnsupportedFormat,
    decode,
    fingerprint,
    phash,
)
from tests.support.pictures import jpeg, png, textured_picture


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def bits(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
@pytest.mark.parametrize("size", [(320, 240), (1200, 900)])
def test_hashes_are_those_of_the_libraries_for_the_decoded_picture(kind: str, size: tuple[int, int]) -> None:
    data = encoded(textured_picture(7, *size), kind)
    found = fingerprint(data)
    picture, original_size = decode(data)
    vector, quality = pdqhash.compute(np.asarray(picture.convert("RGB")))
    assert f"{found.phash:016x}" == str(imagehash.phash(picture))
    assert found.pdq == np.packbits(vector.astype(bool)).tobytes()
    assert found.pdq_quality == quality
    assert (found.width, found.height) == original_size == size
    assert min(picture.size) >= min(WORKING_SIDE, *size)


def test_sha256_is_of_the_file() -> None:
    assert fingerprint(png(textured_picture(1))).sha256 != fingerprint(jpeg(textured_picture(1))).sha256


@pytest.mark.parametrize("number", range(8))
def test_each_dihedral_hash_is_close_to_the_hash_of_the_turned_picture(number: int) -> None:
    picture = textured_picture(3)
    turn = ORIENTATIONS[number]
    turned = fingerprint(png(picture if turn is None else picture.transpose(turn)))
    asked = fingerprint(png(picture))
    assert (asked.dihedral_phash[number] ^ turned.phash).bit_count() <= 2
    assert bits(asked.dihedral_pdq[number], turned.pdq) <= 31
    assert asked.dihedral_phash[0] == asked.phash
    assert asked.dihedral_pdq[0] == asked.pdq


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_pictures_are_turned_upright_by_exif(orientation: int, kind: str) -> None:
    upright = textured_picture(5, 320, 240)
    undo = {2: 5, 3: 2, 4: 4, 5: 6, 6: 1, 7: 7, 8: 3}.get(orientation)
    stored = upright if undo is None else upright.transpose(ORIENTATIONS[undo])
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = fingerprint(encoded(stored, kind, exif=exif))
    assert (found.width, found.height) == (320, 240)
    assert (found.phash ^ fingerprint(png(upright)).phash).bit_count() <= 4


def test_transparency_becomes_white() -> None:
    sticker = textured_picture(2).convert("RGBA")
    sticker.putalpha(Image.radial_gradient("L").resize(sticker.size).point(lambda value: 255 if value < 120 else 0))
    page = Image.new("RGBA", sticker.size, "white")
    flattened = Image.alpha_composite(page, sticker).convert("RGB")
    assert fingerprint(png(sticker)).pdq == fingerprint(png(flattened)).pdq


def test_a_palette_with_transparency_and_sixteen_bits_are_read() -> None:
    picture = textured_picture(4)
    palette = picture.quantize(64)
    palette.info["transparency"] = 0
    assert fingerprint(encoded(palette, "PNG", transparency=0)).pdq_quality > 0
    grey = np.asarray(picture.convert("L")).astype(np.uint16)
    deep = fingerprint(png(Image.fromarray(grey * 257)))
    assert deep.phash == fingerprint(png(picture.convert("L"))).phash


def test_tiny_and_flat_pictures_have_no_quality() -> None:
    assert fingerprint(png(Image.new("RGB", (1, 1), "red"))).pdq_quality == 0
    assert fingerprint(png(Image.new("RGB", (600, 400), "white"))).pdq_quality < 50


@pytest.mark.parametrize("data", [b"", b"hello", b"\0" * 64])
def test_what_is_no_picture_is_named_so(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        fingerprint(data)


@pytest.mark.parametrize("data", [encoded(textured_picture(1), "BMP"), b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_formats_outside_the_list_are_named_so(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        fingerprint(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
@pytest.mark.parametrize("part", [0.03, 0.5, 0.95])
def test_a_truncated_picture_is_named_so(kind: str, part: float) -> None:
    data = encoded(textured_picture(1, 640, 480), kind)
    with pytest.raises(PictureTruncated):
        fingerprint(data[: int(len(data) * part)])


def test_too_many_pixels_are_refused_before_decoding() -> None:
    side = int(MAX_PIXELS**0.5) + 1
    bomb = encoded(Image.new("1", (side, side)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(PictureTooLarge):
        fingerprint(bomb)
    with pytest.raises(PictureTooLarge):
        fingerprint(encoded(Image.new("1", (20_000, 20_000)), "PNG"))


@pytest.mark.parametrize("size", [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (6_000_000, 1)])
def test_a_longer_side_than_any_photo_s_is_refused_before_decoding(size: tuple[int, int]) -> None:
    with pytest.raises(PictureTooLarge, match="65,535 pixels on one side"):
        fingerprint(encoded(Image.new("L", size), "PNG"))


def test_the_longest_side_is_hashed_and_little_of_it_is_kept() -> None:
    assert fingerprint(encoded(Image.new("L", (MAX_SIDE, 1)), "PNG")).width == MAX_SIDE
    before = psutil.Process().memory_info().rss
    for shorter in range(60):
        phash(Image.new("L", (MAX_SIDE - shorter, 1)))
    assert psutil.Process().memory_info().rss - before < 40 << 20
