"""The fingerprint of one picture: digest, phash, PDQ with quality, and the hashes of its eight orientations.

Hashes are only comparable when the pixels under them come from the same decode path, so there is one, named by `FINGERPRINT_VERSION` and
written down in docs/formats/fingerprint.md: first frame, 8 bits a channel, JPEG scaled by its DCT to at least `WORKING_SIDE`, reduced by a
whole factor to the same bound, sRGB, luma, on white, upright.
"""

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pi_heif
from PIL import Image, ImageChops, ImageCms, ImageFile

from demur.errors import DemurError
from demur.similarity.orientations import ORIENTATIONS
from demur.similarity.pdq import pdq, pdqs
from demur.similarity.phash import phash, phashes

__all__ = [
    "FINGERPRINT_VERSION",
    "ORIENTATIONS",
    "Fingerprint",
    "NotAPicture",
    "Orientations",
    "PictureError",
    "PictureTooLarge",
    "PictureTruncated",
    "UnsupportedFormat",
    "decode",
    "fingerprint",
    "open_picture",
    "orientations",
    "pdq",
    "phash",
]

FINGERPRINT_VERSION = "demur-2"
MAX_PIXELS = 89_000_000
"""Just below the size at which Pillow itself begins to warn of decompression bombs, so that the refusal is always ours."""
MAX_SIDE = 65_535
"""No JPEG is longer. What is, is no photo, and resampling weights grow with the length of a side."""
WORKING_SIDE = 256
"""The shorter side, in pixels, below which a picture is never reduced before hashing (PDQ itself samples 64 × 64)."""

_EXIF_ORIENTATION = 0x0112
_UPWARD = {
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
_SIDEWAYS = (Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90)

_COLOUR_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK", "LAB": "Lab "}
"""Mode of a picture → what a profile made for it says of itself."""

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_BOXES = (b"ftyp", b"meta", b"mdat", b"idat", b"moov", b"free", b"skip", b"uuid")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_OTHER_SIGNATURES = (
    b"BM",
    b"8BPS",
    b"\0\0\1\0",
    b"%PDF",
    b"%!PS",
    b"\xc5\xd0\xd3\xc6",
    b"<svg",
    b"<?xml",
    b"\0\0\0\x0cjP  ",
    b"\0\0\0\x0cJXL ",
    b"\xff\x0a",
    b"\x76\x2f\x31\x01",
)

_DAMAGED = "This picture file is cut short or damaged; please send the whole file."
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


class PictureError(DemurError):
    """This picture has no fingerprint. The message is a sentence for the person who sent it."""


class NotAPicture(PictureError):
    """The bytes are no picture of any kind."""


class UnsupportedFormat(PictureError):
    """A picture, in a format that is not decoded."""


class PictureTooLarge(PictureError):
    """More than `MAX_PIXELS` pixels, or a side of more than `MAX_SIDE`."""


class PictureTruncated(PictureError):
    """The file begins as a picture and is cut short or damaged further on."""


@dataclass(frozen=True)
class Fingerprint:
    """What is compared of a picture. `dihedral_*[i]` is the hash of the picture turned by `ORIENTATIONS[i]`."""

    sha256: str
    phash: int
    pdq: bytes
    pdq_quality: int
    width: int
    height: int
    dihedral_phash: tuple[int, ...]
    dihedral_pdq: tuple[bytes, ...]


@dataclass(frozen=True)
class Orientations:
    """The hashes of a picture turned by each of `ORIENTATIONS`; the quality is the same for all."""

    phashes: tuple[int, ...]
    pdqs: tuple[bytes, ...]
    quality: int


def fingerprint(data: bytes) -> Fingerprint:
    """The fingerprint of an encoded picture. `width` and `height` are of the upright picture at full size.

    Raises:
        NotAPicture, UnsupportedFormat, PictureTooLarge, PictureTruncated: each a `PictureError`.
    """
    luma, size = decode(data)
    return fingerprint_of(data, luma, size)


def fingerprint_of(data: bytes, luma: Image.Image, size: tuple[int, int]) -> Fingerprint:
    """The fingerprint of an encoded picture that `decode` was already asked for."""
    found = orientations(luma)
    digest = hashlib.sha256(data).hexdigest()
    return Fingerprint(digest, found.phashes[0], found.pdqs[0], found.quality, *size, found.phashes, found.pdqs)


def orientations(luma: Image.Image) -> Orientations:
    """All hashes of a picture of mode "L"."""
    turned, quality = pdqs(luma)
    return Orientations(phashes(luma), turned, quality)


def decode(data: bytes) -> tuple[Image.Image, tuple[int, int]]:
    """The upright luma picture (mode "L") that hashes are taken from, reduced; and the upright (width, height) before reduction.

    Raises:
        NotAPicture, UnsupportedFormat, PictureTooLarge, PictureTruncated: each a `PictureError`.
    """
    opened = open_picture(data)
    try:
        width, height = _load(opened)
        upward = _UPWARD.get(opened.getexif().get(_EXIF_ORIENTATION, 1))
        luma = _luma(_reduced(_plain(opened)), opened.info.get("icc_profile"))
    except DECODER_ERRORS as error:
        raise PictureTruncated(_DAMAGED) from error
    upright = luma if upward is None else luma.transpose(upward)
    return upright, (height, width) if upward in _SIDEWAYS else (width, height)


def open_picture(data: bytes) -> ImageFile.ImageFile:
    """The picture, opened by the one decoder that its first bytes ask for, and not yet decoded.

    Raises:
        NotAPicture, UnsupportedFormat, PictureTooLarge, PictureTruncated: each a `PictureError`.
    """
    kind = _format(data)
    too_large = f"This picture has more than {MAX_PIXELS // 1_000_000} million pixels; please send a smaller copy."
    try:
        opened = pi_heif.HeifImageFile(io.BytesIO(data)) if kind == "HEIF" else Image.open(io.BytesIO(data), formats=(kind,))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureTooLarge(too_large) from error
    except DECODER_ERRORS as error:
        raise PictureTruncated(_DAMAGED) from error
    if opened.width * opened.height > MAX_PIXELS:
        raise PictureTooLarge(too_large)
    if max(opened.size) > MAX_SIDE:
        raise PictureTooLarge(f"This picture is longer than {MAX_SIDE:,} pixels on one side; please send a smaller copy.")
    if kind == "HEIF" and not _has_whole_boxes(data):
        raise PictureTruncated(_DAMAGED)
    return opened


def _format(data: bytes) -> str:
    """Told by the first bytes alone, wherever else in the file another format may begin."""
    for signature, kind in _SIGNATURES.items():
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        brands = data[8 : int.from_bytes(data[:4], "big")]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        if brands[:4] in _HEIF_BRANDS:
            return "HEIF"
    if data.startswith(_OTHER_SIGNATURES) or data[4:8] == b"ftyp":
        raise UnsupportedFormat("This kind of picture is not supported; please send JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC.")
    raise NotAPicture("This file is not a picture.")


def _has_whole_boxes(data: bytes) -> bool:
    """Whether an HEIC file is as long as it says: libheif leaves tiles that are missing black, and says nothing (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while data[at + 4 : at + 8] in _BOXES:
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 0:  # to the end of the file, wherever that is
            return True
        at += max(int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size, 8)
    return at <= len(data)


def _load(opened: ImageFile.ImageFile) -> tuple[int, int]:
    """Decodes the first frame, a JPEG as small as will do and straight to luma where no profile asks for its colours. The full size."""
    full = opened.size
    profile = opened.info.get("icc_profile")
    is_srgb = opened.mode == "RGB" and not (profile and _to_srgb(profile, "RGB"))
    if is_srgb:
        opened.info.pop("icc_profile", None)  # once the picture is grey, a profile of grey would be taken for its own
    scaled = opened.draft("L" if is_srgb else None, (WORKING_SIDE, WORKING_SIDE))
    opened.load()
    return full if scaled else opened.size


def _plain(picture: Image.Image) -> Image.Image:
    """8 bits a channel: L, RGB, CMYK or LAB, the first two with A where the picture has transparency."""
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


def _reduced(picture: Image.Image) -> Image.Image:
    """Colours are multiplied by their alpha, averaged and divided; also where nothing is averaged, as browsers give only such colours."""
    factor = max(min(picture.size) // WORKING_SIDE, 1)
    if not picture.mode.endswith("A"):
        return picture.reduce(factor) if factor > 1 else picture
    return picture.convert(picture.mode[:-1] + "a").reduce(factor).convert(picture.mode)


def _luma(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if not picture.mode.endswith("A"):
        return _grey(_srgb(picture, profile))
    luma = _grey(_srgb(picture.convert(picture.mode[:-1]), profile))
    return Image.composite(luma, Image.new("L", luma.size, "white"), picture.getchannel("A"))


def _grey(colours: Image.Image) -> Image.Image:
    return colours if colours.mode == "L" else colours.convert("L")


def _srgb(colours: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile and colours.mode != "LAB":
        return colours.convert("RGB") if colours.mode == "CMYK" else colours
    transform = _to_srgb(profile or b"", colours.mode)
    return transform.apply(colours) if transform else _srgb(colours, None)


@lru_cache(maxsize=32)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
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
