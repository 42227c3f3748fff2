"""What people do to a photo before they post it again. Each edit takes a full RGB picture, and gives the file that is posted.

The amounts lie between the steps of `demur.similarity.edits`, by a third of a step or more. Exceptions: the ends of the promised range
(crops of 2 and 20 %), and what has no amount (a square).
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Change = Callable[[Image.Image], Image.Image]
JPEG_QUALITY = 88
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class Posted:
    """An edit: what it changes, and how the outcome is encoded."""

    name: str
    change: Change
    encoding: tuple[str, int] = ("JPEG", JPEG_QUALITY)

    def file(self, photo: Image.Image) -> bytes:
        return encoded(self.change(photo), *self.encoding)


def encoded(picture: Image.Image, kind: str = "JPEG", quality: int = 92) -> bytes:
    """`quality` means nothing for PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, quality=quality)
    return buffer.getvalue()


def _same(photo: Image.Image) -> Image.Image:
    return photo


def _cropped(photo: Image.Image, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Image.Image:
    width, height = photo.size
    return photo.crop((round(width * left), round(height * top), width - round(width * right), height - round(height * bottom)))


def _cropped_around(photo: Image.Image, share: float) -> Image.Image:
    return _cropped(photo, share, share, share, share)


def _squared(photo: Image.Image) -> Image.Image:
    return ImageOps.fit(photo, (min(photo.size),) * 2)


def _padded(photo: Image.Image) -> Image.Image:
    return ImageOps.pad(photo, (max(photo.size),) * 2, color=WHITE)


def _bordered(photo: Image.Image, share: float, colour: tuple[int, int, int]) -> Image.Image:
    return ImageOps.expand(photo, round(min(photo.size) * share), colour)


def _straightened(photo: Image.Image, degrees: float) -> Image.Image:
    """As a phone straightens: turned, and cropped to the largest rectangle of the same shape without corners missing."""
    width, height = photo.size
    sine, cosine = abs(math.sin(math.radians(degrees))), math.cos(math.radians(degrees))
    kept = min(width / (width * cosine + height * sine), height / (width * sine + height * cosine))
    return _cropped_around(photo.rotate(degrees, Image.Resampling.BICUBIC), (1 - kept) / 2)


def _write(picture: Image.Image, place: tuple[float, float], text: str, size: float, colour: tuple[int, ...], anchor: str = "mm") -> None:
    """`place` in shares of the sides, `size` in pixels."""
    where = (picture.width * place[0], picture.height * place[1])
    ImageDraw.Draw(picture, "RGBA").text(where, text, colour, ImageFont.load_default(max(8, size)), anchor)


def _watermarked(photo: Image.Image) -> Image.Image:
    marked = photo.copy()
    _write(marked, (0.5, 0.55), "© example photos", photo.width / 12, (*WHITE, 120))
    return marked


def _captioned(photo: Image.Image, share: float, above: bool, paper: tuple[int, int, int], ink: tuple[int, int, int]) -> Image.Image:
    bar = round(photo.height * share)
    page = Image.new("RGB", (photo.width, photo.height + bar), paper)
    page.paste(photo, (0, bar if above else 0))
    middle = bar / 2 / page.height
    _write(page, (0.5, middle if above else 1 - middle), "when the weekend is over", min(bar * 0.5, photo.width / 14), ink)
    return page


_PHONE = (1080, 2400)


def _viewed(photo: Image.Image, paper: tuple[int, int, int]) -> Image.Image:
    """A screenshot of a phone that shows one photo as large as it can."""
    screen = Image.new("RGB", _PHONE, paper)
    shown = ImageOps.contain(photo, _PHONE)
    screen.paste(shown, ((screen.width - shown.width) // 2, (screen.height - shown.height) // 2))
    _write(screen, (0.05, 0.02), "9:41", 40, (128, 128, 128), "lm")
    return screen


def _posted_in_app(photo: Image.Image) -> Image.Image:
    """A screenshot of an app's post, cut to it: the author's row, the photo at full width, symbols and two lines of text."""
    row = 96
    shown = photo.resize((_PHONE[0], round(photo.height * _PHONE[0] / photo.width)))
    page = Image.new("RGB", (_PHONE[0], shown.height + 3 * row), WHITE)
    page.paste(shown, (0, row))
    draw = ImageDraw.Draw(page)
    draw.ellipse((30, 14, 98, 82), fill=(136, 153, 170))
    for place in (30, 120, 210):
        draw.ellipse((place, shown.height + row + 20, place + 54, shown.height + row + 74), outline=BLACK, width=5)
    _write(page, (0.12, row / 2 / page.height), "somebody.there", 34, BLACK, "lm")
    _write(page, (0.03, 1 - row * 0.75 / page.height), "somebody.there  look at this", 32, BLACK, "lm")
    _write(page, (0.03, 1 - row * 0.3 / page.height), "View all 12 comments", 30, (119, 119, 119), "lm")
    return page


def _brightness(photo: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(photo).enhance(factor)


def _contrast(photo: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Contrast(photo).enhance(factor)


def _blurred(photo: Image.Image) -> Image.Image:
    return photo.filter(ImageFilter.GaussianBlur(min(photo.size) / 250))


def _grey(photo: Image.Image) -> Image.Image:
    return ImageOps.grayscale(photo).convert("RGB")


def _rotated(photo: Image.Image, degrees: float) -> Image.Image:
    return photo.rotate(degrees, Image.Resampling.BICUBIC)


def _mirrored_and_cropped(photo: Image.Image) -> Image.Image:
    return _cropped_around(ImageOps.mirror(photo), 0.06)


def _cropped_small_and_poor(photo: Image.Image) -> Image.Image:
    return ImageOps.scale(_cropped(photo, right=0.06, bottom=0.03), 0.5)


EDITS = (
    *(Posted(f"JPEG of quality {quality}", _same, ("JPEG", quality)) for quality in (90, 70, 50, 30)),
    Posted("saved as PNG", _same, ("PNG", 0)),
    Posted("saved as WebP", _same, ("WEBP", 80)),
    *(Posted(f"resized to {percent} %", partial(ImageOps.scale, factor=percent / 100)) for percent in (75, 50, 25)),
    *(Posted(f"brightness {percent} %", partial(_brightness, factor=percent / 100)) for percent in (75, 125)),
    *(Posted(f"contrast {percent} %", partial(_contrast, factor=percent / 100)) for percent in (75, 125)),
    Posted("blurred", _blurred),
    Posted("grey", _grey),
    Posted("watermark across", _watermarked),
    Posted("white caption bar below", partial(_captioned, share=0.12, above=False, paper=WHITE, ink=BLACK)),
    Posted("black caption bar above", partial(_captioned, share=0.16, above=True, paper=BLACK, ink=WHITE)),
    *(Posted(f"cropped {c} % on all sides", partial(_cropped_around, share=c / 100)) for c in (2, 3, 6, 9, 12, 15, 20)),
    Posted("cropped 2 % on the left", partial(_cropped, left=0.02)),
    Posted("cropped 5 % at the top", partial(_cropped, top=0.05)),
    Posted("cropped 7 % on the right", partial(_cropped, right=0.07)),
    Posted("cropped 10 % at the bottom", partial(_cropped, bottom=0.10)),
    Posted("cropped 15 % on the left", partial(_cropped, left=0.15)),
    Posted("cropped 20 % at the top", partial(_cropped, top=0.20)),
    Posted("cropped 6 % and 3 % on two sides, half size, quality 60", _cropped_small_and_poor, ("JPEG", 60)),
    Posted("cropped to a square", _squared),
    *(Posted(f"white border of {c} %", partial(_bordered, share=c / 100, colour=WHITE)) for c in (2, 5, 10)),
    *(Posted(f"black border of {c} %", partial(_bordered, share=c / 100, colour=BLACK)) for c in (2, 5, 10)),
    *(Posted(f"rotated by {degrees}°", partial(_rotated, degrees=degrees)) for degrees in (1, -3)),
    Posted("rotated by 90°", partial(Image.Image.transpose, method=Image.Transpose.ROTATE_90)),
    *(Posted(f"straightened by {degrees}°", partial(_straightened, degrees=degrees)) for degrees in (-1, 3)),
    Posted("padded to a white square", _padded),
    Posted("mirrored", ImageOps.mirror),
    Posted("mirrored, cropped 6 % on all sides", _mirrored_and_cropped),
    Posted("screenshot of a post in an app", _posted_in_app),
    Posted("screenshot of a photo viewer, black", partial(_viewed, paper=BLACK)),
    Posted("screenshot of a photo viewer, white", partial(_viewed, paper=WHITE)),
)
