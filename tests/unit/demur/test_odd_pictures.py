"""Files that every browser shows and a strict decoder stumbles on, and such as are refused because their picture cannot be had."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from demur.similarity.edits import variants
from demur.similarity.fingerprint import NotAPicture, PictureTruncated, UnsupportedFormat, decode, fingerprint
from demur.similarity.tidying import tidied_png, without_lead
from tests.support.odd_pictures import JPEG, ODD, PHOTO, chunk, encoded, with_chunks
from tests.support.pictures import png


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", ODD)
def test_what_browsers_show_has_the_fingerprint_of_the_whole_picture(name: str) -> None:
    odd, whole = ODD[name]
    found, right = fingerprint(odd), fingerprint(whole)
    assert (found.dihedral_phash, found.dihedral_pdq, found.pdq_quality) == (right.dihedral_phash, right.dihedral_pdq, right.pdq_quality)


@pytest.mark.parametrize("cut", [10, 20, 50, 100, 1000, 3000])
def test_a_jpeg_that_lost_pixels_with_its_end_is_refused(cut: int) -> None:
    with pytest.raises(PictureTruncated):
        fingerprint(JPEG[:-cut])


def test_a_png_whose_transparency_has_a_wrong_checksum_is_shown_without_it() -> None:
    """As libpng does with every ancillary chunk."""
    palette = PHOTO.quantize(64)
    whole = encoded(palette, "PNG", transparency=bytes(64))
    at = whole.index(b"tRNS")
    damaged = whole[: at + 68] + b"\0\0\0\0" + whole[at + 72 :]
    assert fingerprint(damaged).pdq == fingerprint(encoded(palette, "PNG")).pdq != fingerprint(whole).pdq


@pytest.mark.parametrize("colours", [4, 16, 256])
@pytest.mark.parametrize("size", [(700, 500), (1100, 1100), (200, 200)])
def test_a_palette_with_transparency_bytes_is_the_picture_of_its_colours(colours: int, size: tuple[int, int]) -> None:
    palette = PHOTO.resize(size).quantize(colours)
    opacities = bytes(range(0, 256, 256 // colours))
    table = np.array(palette.getpalette()).reshape(-1, 3)
    pixels = np.asarray(palette)
    alpha = np.frombuffer(opacities, np.uint8)[pixels][..., np.newaxis]
    shown = Image.fromarray(np.concatenate([table[pixels].astype(np.uint8), alpha], axis=-1))
    assert fingerprint(encoded(palette, "PNG", transparency=opacities)).dihedral_pdq == fingerprint(png(shown)).dihedral_pdq


def planar(deep: np.ndarray, bits: int, mark: bytes = b"") -> bytes:
    """A TIFF, not compressed, whose colours are one plane after another; `mark` stands behind its header."""
    height, width, colours = deep.shape
    planes = [np.ascontiguousarray(deep[..., colour]).tobytes() for colour in range(colours)]
    head = 8 + len(mark)
    offsets = [head + sum(map(len, planes[:number])) for number in range(colours)]
    after = head + sum(map(len, planes))
    shorts = struct.pack(f"<{colours}H", *[bits] * colours)
    places = struct.pack(f"<{colours}I", *offsets)
    lengths = struct.pack(f"<{colours}I", *map(len, planes))
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, colours, after),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, colours, after + len(shorts)),
        (277, 3, 1, colours),
        (278, 4, 1, height),
        (279, 4, colours, after + len(shorts) + len(places)),
        (284, 3, 1, 2),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    start = after + len(shorts) + len(places) + len(lengths)
    return b"II*\0" + struct.pack("<I", start) + mark + b"".join(planes) + shorts + places + lengths + directory


def test_a_tiff_of_planes_is_the_same_picture_or_refused_by_name() -> None:
    pixels = np.asarray(PHOTO)
    assert fingerprint(planar(pixels, 8)).pdq == fingerprint(png(PHOTO)).pdq
    with pytest.raises(UnsupportedFormat, match="TIFF files of planes with more than 8 bits are not supported"):
        fingerprint(planar(pixels.astype("<u2") * 257, 16))


@pytest.mark.parametrize("tags", [{254: 1}, {50706: b"\x01\x04\0\0"}, {254: 1, 330: 8}], ids=["preview", "DNG", "NEF"])
def test_a_raw_file_of_which_only_a_preview_can_be_read_is_refused_by_name(tags: dict[int, int | bytes]) -> None:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory[tag] = value
    preview = encoded(PHOTO.resize((160, 120)), "TIFF", tiffinfo=directory)
    with pytest.raises(UnsupportedFormat, match="Camera raw files"):
        fingerprint(preview)


def test_a_canon_raw_file_is_refused_though_its_preview_is_a_whole_picture() -> None:
    with pytest.raises(UnsupportedFormat, match="Camera raw files"):
        fingerprint(planar(np.asarray(PHOTO), 8, b"CR\x02\0\0\0\0\0"))


NAMED = {
    "BMP pictures": lambda: encoded(PHOTO, "BMP"),
    "JPEG 2000 pictures": lambda: encoded(PHOTO, "JPEG2000"),
    "JPEG 2000 pictures, bare": lambda: encoded(PHOTO, "JPEG2000", no_jp2=True),
    "Icons": lambda: encoded(PHOTO.resize((64, 64)), "ICO"),
    "Netpbm pictures": lambda: encoded(PHOTO, "PPM"),
    "Netpbm pictures, of black and white": lambda: encoded(PHOTO.convert("1"), "PPM"),
    "TGA pictures": lambda: encoded(PHOTO, "TGA"),
    "TGA pictures, grey": lambda: encoded(PHOTO.convert("L"), "TGA"),
    "TGA pictures, of a palette": lambda: encoded(PHOTO.quantize(16), "TGA"),
    "TGA pictures, packed": lambda: encoded(PHOTO.convert("RGBA"), "TGA", compression="tga_rle"),
    "PCX pictures": lambda: encoded(PHOTO, "PCX"),
    "PCX pictures, of black and white": lambda: encoded(PHOTO.convert("1"), "PCX"),
    "SGI pictures": lambda: encoded(PHOTO, "SGI"),
    "SGI pictures, packed": lambda: b"\x01\xda\x01\x01" + bytes(508),
    "XBM pictures": lambda: encoded(PHOTO.convert("1"), "XBM"),
    "Icons, of a Mac": lambda: encoded(PHOTO.resize((64, 64)), "ICNS"),
    "Icons, that are cursors": lambda: b"\0\0\2\0\1\0" + bytes(100),
    "GIMP files": lambda: b"gimp xcf v011" + bytes(100),
    "DDS pictures": lambda: encoded(PHOTO, "DDS"),
    "Camera raw files": lambda: b"FUJIFILMCCD-RAW 0201" + bytes(100),
    "Camera raw files, Canon's oldest": lambda: b"II\x1a\0\0\0HEAPCCDR" + bytes(100),
    "Camera raw files, Canon's newest": lambda: b"\0\0\0\x18ftypcrx \0\0\0\x01" + bytes(100),
    "Camera raw files, Panasonic's": lambda: b"IIU\0" + bytes(100),
    "JPEG XL pictures": lambda: b"\xff\x0a" + bytes(100),
    "SVG drawings": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


@pytest.mark.parametrize("name", NAMED)
def test_a_picture_of_another_kind_is_refused_by_name_and_never_called_no_picture(name: str) -> None:
    with pytest.raises(UnsupportedFormat, match=f"^{name.partition(',')[0]} are not supported; please send JPEG"):
        fingerprint(NAMED[name]())


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 100, b"\n\n\nA note.", b"uid,caption\n1,x\n", b"P7 is a number", b"#!/bin/sh\n", b"\x7fELF" + bytes(100)]
)
def test_what_is_no_picture_is_called_no_picture(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        fingerprint(data)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 5), (3, 3), (4, 4), (65_500, 2), (2, 65_500), (65_535, 1)])
def test_pictures_of_few_pixels_or_of_two_lines_have_quality_0(size: tuple[int, int]) -> None:
    found = variants(decode(png(PHOTO.resize(size)))[0])
    assert {variant.quality for variant in found} == {0}
    assert len(found) == 8


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF"])
def test_one_pixel_is_a_picture_in_every_format(kind: str) -> None:
    assert fingerprint(encoded(Image.new("RGB", (1, 1)), kind)).pdq_quality == 0


def test_a_profile_beyond_all_measure_is_passed_over() -> None:
    bomb = zlib.compress(bytes(200_000_000))
    assert fingerprint(with_chunks(chunk(b"iCCP", b"bomb\0\0" + bomb))).pdq == fingerprint(png(PHOTO)).pdq


def test_what_is_as_it_should_be_is_not_copied() -> None:
    whole = png(PHOTO)
    assert tidied_png(whole)[0] is whole
    assert without_lead(JPEG) is JPEG
