"""What people do to a photo before they post it again as theirs. Each edit belongs to the member who does it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PIL import Image, ImageOps

GOOD_QUALITY = 92
LOW_QUALITY = 40
_LINEN = (236, 229, 214)


@dataclass(frozen=True)
class Edit:
    """``change`` takes and gives an RGB picture; it is then saved as a JPEG of ``quality``."""

    word: str
    change: Callable[[Image.Image], Image.Image]
    quality: int = GOOD_QUALITY


def _smaller(picture: Image.Image) -> Image.Image:
    return ImageOps.scale(picture, 0.6)


def _same(picture: Image.Image) -> Image.Image:
    return picture


def _cropped(picture: Image.Image) -> Image.Image:
    """Three per cent off each side."""
    width, height = picture.size
    return picture.crop((round(width * 0.03), round(height * 0.03), round(width * 0.97), round(height * 0.97)))


def _framed(picture: Image.Image) -> Image.Image:
    return ImageOps.expand(picture, border=max(2, min(picture.size) // 16), fill=_LINEN)


EDITS: Mapping[str, Edit] = {
    "dmitri.volkov": Edit("smaller", _smaller),
    "elif.kaya": Edit("saved again", _same, LOW_QUALITY),
    "jonas.weber": Edit("cropped", _cropped),
    "kavya.iyer": Edit("mirrored", ImageOps.mirror),
    "leilani.kahale": Edit("framed", _framed),
}
