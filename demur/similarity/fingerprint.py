"""The fingerprint of one picture: digest, phash, PDQ with quality, and the hashes of its eight orientations.

Hashes are only comparable when the pixels under them come from the same decode path, so there is one, named by
`FINGERPRINT_VERSION`: decode (JPEG scaled by its DCT to at least `WORKING_SIDE`), reduce by a whole factor to the same bound, put
alpha on white, drop colour profiles, turn upright by EXIF, RGB.
"""

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass

import imagehash
import numpy as np
import numpy.typing as npt
import pdqhash
from PIL import Image, features

from demur.errors import DemurError

FINGERPRINT_VERSION = "demur-1"
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", *(("AVIF",) if features.check("avif") else ()))
MAX_PIXELS = 89_000_000
"""Just below the size at which Pillow itself begins to warn of decompression bombs, so that the refusal is always ours."""
WORKING_SIDE = 256
"""The shorter side, in pixels, below which a picture is never reduced before hashing (PDQ itself samples 64 × 64)."""

ORIENTATIONS = (
    None,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_180,
    Image.Transpose.ROTATE_270,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
)
"""The dihedral group in the order of `pdqhash.compute_dihedral`; number 0 is the picture as it stands."""

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
"""EXIF orientation → what turns the picture upright. It is read after decoding, since Pillow's TIFF decoder turns by itself."""
_SIDEWAYS = (Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90)

_DAMAGED = "This picture file is cut short or damaged; please send the whole file."
DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, struct.error, zlib.error)
"""What Pillow's decoders raise on damaged data."""


class PictureError(DemurError):
    """This picture has no fingerprint. The message is a sentence for the person who sent it."""


class NotAPicture(PictureError):
    """The bytes are no picture of any kind."""


class UnsupportedFormat(PictureError):
    """A picture, in a format outside `FORMATS`."""


class PictureTooLarge(PictureError):
    """More than `MAX_PIXELS` pixels."""


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


def fingerprint(data: bytes) -> Fingerprint:
    """The fingerprint of an encoded picture. `width` and `height` are of the upright picture at full size.

    Raises:
        NotAPicture, UnsupportedFormat, PictureTooLarge, PictureTruncated: each a `PictureError`.
    """
    picture, (width, height) = decode(data)
    phashes = _phashes(picture)
    pdqs, quality = _pdqs(picture)
    return Fingerprint(hashlib.sha256(data).hexdigest(), phashes[0], pdqs[0], quality, width, height, phashes, pdqs)


def decode(data: bytes) -> tuple[Image.Image, tuple[int, int]]:
    """The upright RGB picture that hashes are taken from, reduced; and its (width, height) before reduction."""
    opened = _open(data)
    width, height = opened.size
    try:
        opened.draft(None, (WORKING_SIDE, WORKING_SIDE))
        opened.load()
        upward = _UPWARD.get(opened.getexif().get(_EXIF_ORIENTATION, 1))
        flat = _flat(_reduced(_plain(opened)))
    except DECODER_ERRORS as error:
        raise PictureTruncated(_DAMAGED) from error
    upright = flat if upward is None else flat.transpose(upward)
    return upright, (height, width) if upward in _SIDEWAYS else (width, height)


def _open(data: bytes) -> Image.Image:
    too_large = f"This picture has more than {MAX_PIXELS // 1_000_000} million pixels; please send a smaller copy."
    try:
        opened = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureTooLarge(too_large) from error
    except DECODER_ERRORS as error:
        raise _unopened(data) from error
    if opened.width * opened.height > MAX_PIXELS:
        raise PictureTooLarge(too_large)
    return opened


_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_OTHER_SIGNATURES = (
    b"BM",
    b"8BPS",
    b"\0\0\1\0",
    b"%PDF",
    b"<svg",
    b"<?xml",
    b"\0\0\0\x0cjP  ",
    b"\0\0\0\x0cJXL ",
    b"\xff\x0a",
    b"\x76\x2f\x31\x01",
)


def _unopened(data: bytes) -> PictureError:
    """Why Pillow would not open `data`, told by the file's first bytes alone: no other decoder is tried on it."""
    if data.startswith(_SIGNATURES) or data[8:12] == b"WEBP" or data[4:12] in (b"ftypavif", b"ftypavis"):
        return PictureTruncated(_DAMAGED)
    if data.startswith(_OTHER_SIGNATURES) or data[4:8] == b"ftyp":
        return UnsupportedFormat("This kind of picture is not supported; please send JPEG, PNG, WebP, GIF, TIFF or AVIF.")
    return NotAPicture("This file is not a picture.")


def _plain(picture: Image.Image) -> Image.Image:
    """8 bits a channel, with alpha where the picture has transparency: what `reduce` can average."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("L", "RGB") and not picture.has_transparency_data:
        return picture
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _reduced(picture: Image.Image) -> Image.Image:
    factor = min(picture.size) // WORKING_SIDE
    return picture.reduce(factor) if factor > 1 else picture


def _flat(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _phashes(picture: Image.Image) -> tuple[int, ...]:
    """pHash of every orientation. All of them start from the same 32 × 32 picture, whose own resize is then a copy."""
    side = 8 * 4
    small = picture.convert("L").resize((side, side), Image.Resampling.LANCZOS)
    turned = (small if turn is None else small.transpose(turn) for turn in ORIENTATIONS)
    return tuple(int.from_bytes(_packed(imagehash.phash(one).hash), "big") for one in turned)


def _pdqs(picture: Image.Image) -> tuple[tuple[bytes, ...], int]:
    vectors, quality = pdqhash.compute_dihedral(np.asarray(picture))
    return tuple(_packed(vector) for vector in vectors), int(quality)


def _packed(bits: npt.NDArray[np.generic]) -> bytes:
    return np.packbits(bits.astype(bool)).tobytes()
