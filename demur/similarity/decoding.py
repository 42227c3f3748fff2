"""Opens and decodes pictures of strangers: one decoder by the first bytes, bounds before it begins, and 8 bits a channel after it.

Fingerprints and thumbnails both begin here; what comes after is docs/formats/fingerprint.md and `demur.similarity.showing`.
"""

import io
import struct
import zlib
from functools import lru_cache

import numpy as np
import pi_heif
from PIL import Image, ImageChops, ImageCms, ImageFile, TiffImagePlugin

from demur.similarity.formats import PictureError, UnsupportedFormat, format_of, refused
from demur.similarity.tidying import ended, tidied_png, without_lead

MAX_PIXELS = 89_000_000
"""Just below the size at which Pillow itself begins to warn of decompression bombs, so that the refusal is always ours."""
MAX_SIDE = 65_535
"""No JPEG is longer. What is, is no photo, and resampling weights grow with the length of a side."""

UPWARD = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what turns the picture upright. It is read after decoding: the decoders of TIFF and HEIC turn by themselves and
then take the note away."""
SIDEWAYS = (Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90)

DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's and libheif's decoders raise on damaged data."""

DAMAGED = "This picture file is cut short or damaged; please send the whole file."
_EXIF_ORIENTATION = 0x0112
_SUBFILE_TYPE, _IS_REDUCED, _DNG_VERSION = 254, 1, 50706  # TIFF 6.0; DNG 1.7, Preview Images
_COLOUR_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK", "LAB": "Lab "}
"""Mode of a picture → what a profile made for it says of itself."""
_BOXES = (b"ftyp", b"meta", b"mdat", b"idat", b"moov", b"free", b"skip", b"uuid")


class PictureTooLarge(PictureError):
    """More than `MAX_PIXELS` pixels, or a side of more than `MAX_SIDE`."""


class PictureTruncated(PictureError):
    """The file begins as a picture and is cut short or damaged further on."""


def open_picture(data: bytes) -> ImageFile.ImageFile:
    """The picture, opened by the one decoder that its first bytes ask for, and not yet decoded.

    Raises:
        NotAPicture, UnsupportedFormat, PictureTooLarge, PictureTruncated: each a `PictureError`.
    """
    data = without_lead(data)
    kind = format_of(data)
    data, profile = tidied_png(data) if kind == "PNG" else (data, None)
    too_large = f"This picture has more than {MAX_PIXELS // 1_000_000} million pixels; please send a smaller copy."
    try:
        opened = pi_heif.HeifImageFile(io.BytesIO(data)) if kind == "HEIF" else Image.open(io.BytesIO(data), formats=(kind,))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureTooLarge(too_large) from error
    except DECODER_ERRORS as error:
        raise PictureTruncated(DAMAGED) from error
    if opened.width * opened.height > MAX_PIXELS:
        raise PictureTooLarge(too_large)
    if max(opened.size) > MAX_SIDE:
        raise PictureTooLarge(f"This picture is longer than {MAX_SIDE:,} pixels on one side; please send a smaller copy.")
    if kind == "HEIF" and not _has_whole_boxes(data):
        raise PictureTruncated(DAMAGED)
    if isinstance(opened, TiffImagePlugin.TiffImageFile):
        _refuse_wrong(opened, data)
    if profile:
        opened.info["icc_profile"] = profile
    return opened


def _refuse_wrong(tiff: TiffImagePlugin.TiffImageFile, data: bytes) -> None:
    """Pillow would give of these another picture than they show: a preview, or planes mixed up. Raises UnsupportedFormat."""
    if data[8:10] == b"CR" or _DNG_VERSION in tiff.tag_v2 or int(tiff.tag_v2.get(_SUBFILE_TYPE, 0)) & _IS_REDUCED:
        raise refused("camera raw files, and TIFF files that begin with a preview,")
    depths = tiff.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    if tiff.tag_v2.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) != 1 and len(depths) > 1 and max(depths) > 8:
        raise refused("TIFF files of planes with more than 8 bits")


def ending(data: bytes) -> tuple[bytes, bytes] | None:
    """Of a JPEG without its end mark: see `tidying.ended`. None for every other file."""
    data = without_lead(data)
    return ended(data) if data.startswith(b"\xff\xd8\xff") else None


def _has_whole_boxes(data: bytes) -> bool:
    """Whether an HEIC file is as long as it says: libheif leaves tiles that are missing black, and says nothing (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while data[at + 4 : at + 8] in _BOXES:
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 0:  # to the end of the file, wherever that is
            return True
        at += max(int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size, 8)
    return at <= len(data)


def upward(decoded: Image.Image) -> Image.Transpose | None:
    """What turns a decoded picture upright; None where nothing does, and where the note of it cannot be read, as in browsers."""
    try:
        return UPWARD.get(decoded.getexif().get(_EXIF_ORIENTATION, 1))
    except DECODER_ERRORS:
        return None


def plain(picture: Image.Image) -> Image.Image:
    """8 bits a channel: L, RGB, CMYK or LAB, the first two with A where the picture has transparency. Raises UnsupportedFormat."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise UnsupportedFormat("Pictures of 32 bits a channel are not supported; please send one of 8 or 16.")
    mode = _plain_mode(picture)
    return picture if picture.mode == mode else picture.convert(mode)


def _plain_mode(picture: Image.Image) -> str:
    if picture.mode in ("CMYK", "LAB"):
        return picture.mode
    return ("L" if picture.mode in ("1", "L", "LA", "La") else "RGB") + ("A" if picture.has_transparency_data else "")


def reduced(picture: Image.Image, factor: int) -> Image.Image:
    """The mean of whole boxes. Colours are multiplied by their alpha, averaged and divided; also where nothing is averaged, as browsers
    give only such colours."""
    if not picture.mode.endswith("A"):
        return picture.reduce(factor) if factor > 1 else picture
    return picture.convert(picture.mode[:-1] + "a").reduce(factor).convert(picture.mode)


def srgb(colours: Image.Image, profile: bytes | None) -> Image.Image:
    """A picture without alpha as L or RGB in sRGB, by its own profile where that can be read and is one of pictures of this mode."""
    if not profile and colours.mode != "LAB":
        return colours.convert("RGB") if colours.mode == "CMYK" else colours
    transform = to_srgb(profile or b"", colours.mode)
    return transform.apply(colours) if transform else srgb(colours, None)


@lru_cache(maxsize=32)
def to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where it would change nothing, and where the profile is broken or is not one of pictures of this mode."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile) if profile else ImageCms.createProfile("LAB"))
        if source.profile.xcolor_space != _COLOUR_SPACES[mode]:
            return None
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", intent)
    except (ImageCms.PyCMSError, OSError):
        return None
    return None if mode == "RGB" and _changes_nothing(transform) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether no colour of a coarse cube moves by more than the rounding of a profile that is sRGB by another name."""
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    cube = Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(36, 6, 3))
    difference = np.asarray(ImageChops.difference(cube, transform.apply(cube)))
    return int(difference.max()) <= 2
