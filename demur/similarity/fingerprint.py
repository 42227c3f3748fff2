"""The fingerprint of one picture: digest, phash, PDQ with quality, and the hashes of its eight orientations.

Hashes are only comparable when the pixels under them come from the same decode path, so there is one, named by `FINGERPRINT_VERSION` and
written down in docs/formats/fingerprint.md: first frame, 8 bits a channel, JPEG scaled by its DCT to at least `WORKING_SIDE`, reduced by a
whole factor to the same bound, sRGB, luma, on white, upright.
"""

import hashlib
from dataclasses import dataclass

from PIL import Image, ImageFile

from demur.similarity.decoding import (
    DAMAGED,
    DECODER_ERRORS,
    SIDEWAYS,
    PictureTooLarge,
    PictureTruncated,
    ending,
    open_picture,
    plain,
    reduced,
    srgb,
    to_srgb,
    upward,
)
from demur.similarity.formats import NotAPicture, PictureError, UnsupportedFormat
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
WORKING_SIDE = 256
"""The shorter side, in pixels, below which a picture is never reduced before hashing (PDQ itself samples 64 × 64)."""


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
    return fingerprint_of(orientations(luma), size, hashlib.sha256(data).hexdigest())


def fingerprint_of(hashes: Orientations, size: tuple[int, int], sha256: str = "") -> Fingerprint:
    """The fingerprint of a picture whose hashes, and whose upright (width, height), are known."""
    return Fingerprint(sha256, hashes.phashes[0], hashes.pdqs[0], hashes.quality, *size, hashes.phashes, hashes.pdqs)


def orientations(luma: Image.Image) -> Orientations:
    """All hashes of a picture of mode "L"."""
    turned, quality = pdqs(luma)
    return Orientations(phashes(luma), turned, quality)


def decode(data: bytes) -> tuple[Image.Image, tuple[int, int]]:
    """The upright luma picture (mode "L") that hashes are taken from, reduced; and the upright (width, height) before reduction.

    Raises:
        NotAPicture, UnsupportedFormat, PictureTooLarge, PictureTruncated: each a `PictureError`.
    """
    try:
        return _decoded(data)
    except PictureTruncated:
        both = ending(data)
        if both is None:
            raise
    (shown, size), (otherwise, _) = map(_decoded, both)
    if shown.tobytes() != otherwise.tobytes():
        raise PictureTruncated(DAMAGED)
    return shown, size


def _decoded(data: bytes) -> tuple[Image.Image, tuple[int, int]]:
    opened = open_picture(data)
    try:
        width, height = _load(opened)
        turn = upward(opened)
        luma = _luma(_reduced(plain(opened)), opened.info.get("icc_profile"))
    except DECODER_ERRORS as error:
        raise PictureTruncated(DAMAGED) from error
    upright = luma if turn is None else luma.transpose(turn)
    return upright, (height, width) if turn in SIDEWAYS else (width, height)


def _load(opened: ImageFile.ImageFile) -> tuple[int, int]:
    """Decodes the first frame, a JPEG as small as will do and straight to luma where no profile asks for its colours. The full size."""
    full = opened.size
    profile = opened.info.get("icc_profile")
    is_srgb = opened.mode == "RGB" and not (profile and to_srgb(profile, "RGB"))
    if is_srgb:
        opened.info.pop("icc_profile", None)  # once the picture is grey, a profile of grey would be taken for its own
    scaled = opened.draft("L" if is_srgb else None, (WORKING_SIDE, WORKING_SIDE))
    opened.load()
    return full if scaled else opened.size


def _reduced(picture: Image.Image) -> Image.Image:
    return reduced(picture, max(min(picture.size) // WORKING_SIDE, 1))


def _luma(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if not picture.mode.endswith("A"):
        return _grey(srgb(picture, profile))
    luma = _grey(srgb(picture.convert(picture.mode[:-1]), profile))
    return Image.composite(luma, Image.new("L", luma.size, "white"), picture.getchannel("A"))


def _grey(colours: Image.Image) -> Image.Image:
    return colours if colours.mode == "L" else colours.convert("L")
