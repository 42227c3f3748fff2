"""The edits under which a photo is searched, so that a manifest keeps one hash a row and edited copies are found all the same.

A row may be an edited copy of the photo: cropped, framed, with a caption bar, tilted. So the photo is searched as each edit of a fixed
table leaves it, as it stands and mirrored. Or the photo is itself the copy: then the row shows more than it does (the photo is grown by
repeating its edge, near enough to what was cropped away) or less (frames, caption bars and an app's own rows are trimmed).

No edit makes a picture. Both hashes need a filtered picture at 64 × 64 places, so the photo is filtered once, and an edit is a choice of
places. Which edits pay, with figures: docs/adr/0007-search-under-edits.md. How each is made, to the pixel: docs/formats/fingerprint.md.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from demur.similarity.orientations import ORIENTATIONS
from demur.similarity.pdq import SAMPLES, blurred, pdqs, pdqs_of
from demur.similarity.phash import phashes, phashes_of
from demur.similarity.query import Variant
from demur.similarity.rules import MIN_QUALITY, QUALITY_FOR_EDITS

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Places = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Columns and rows of the 64 × 64 samples, in pixels, of shapes that broadcast; some may lie outside the photo."""
Sides = tuple[int, int, int, int]
"""Left, top, right, bottom, in thousandths of the photo's width or height: cut off, or added where negative."""

ALL_ORIENTATIONS = range(len(ORIENTATIONS))
AS_IS_AND_MIRRORED = (0, 5)
TRIMMED = "trimmed of its frame"


@dataclass(frozen=True)
class Edit:
    """`name` is what the photo's owner reads. `places` are of a photo (width, height); outside of it lies `shade`, or its edge repeated."""

    name: str
    places: Callable[[int, int], Places]
    shade: int | None = None


def variants(luma: Image.Image) -> tuple[Variant, ...]:
    """The photo (mode "L", as `fingerprint.decode` gives it) in every way in which it is searched.

    First as it stands in its eight orientations; then trimmed, where it has a frame, in all eight; then, where its quality allows, under
    each of `EDITS`, as it stands and mirrored. What has too little texture to be compared is left out, the photo itself excepted.
    """
    whole = tuple(_hashed("", luma))
    bare = trimmed(luma)
    found = [] if bare is None else list(_hashed(TRIMMED, bare))
    if whole[0].quality >= QUALITY_FOR_EDITS:
        plane = blurred(luma)
        found += [variant for edit in EDITS for variant in _edited(edit, plane)]
    return (*whole, *(variant for variant in found if variant.quality >= MIN_QUALITY))


def _hashed(edit: str, luma: Image.Image) -> Iterator[Variant]:
    hashes, (confirming, quality) = phashes(luma), pdqs(luma)
    return (Variant(edit, turn, hashes[turn], confirming[turn], quality) for turn in ALL_ORIENTATIONS)


def _edited(edit: Edit, plane: Floats) -> Iterator[Variant]:
    samples = sampled(edit, plane)
    hashes, (confirming, quality) = phashes_of(_halved(samples)), pdqs_of(samples)
    return (Variant(edit.name, turn, hashes[turn], confirming[turn], quality) for turn in AS_IS_AND_MIRRORED)


def sampled(edit: Edit, plane: Floats) -> Floats:
    """The 64 × 64 samples of a filtered photo (height, width) under an edit."""
    height, width = plane.shape
    columns, rows = edit.places(width, height)
    samples = plane[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    if edit.shade is None:
        return samples
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return np.where(inside, samples, np.float32(edit.shade))


def _halved(samples: Floats) -> Grey:
    """The 32 × 32 picture of pHash: means of four, rounded half up."""
    sums = samples[0::2, 0::2] + samples[0::2, 1::2] + samples[1::2, 0::2] + samples[1::2, 1::2]
    return np.floor(sums / 4 + np.float32(0.5)).astype(np.uint8)


FRAME_SHADES = 8
"""Grey levels by which a frame's pixels may differ from its shade: JPEG leaves that much."""
LEAST_LEFT = 8
"""A trim that would leave less than an eighth of a side has taken the picture itself for a frame."""


def trimmed(luma: Image.Image) -> Image.Image | None:
    """The picture without the rows, then the columns, at its rim that are mostly of one shade; None where there are none.

    Text on a caption bar, or the few marks of an app's own rows, are less than half of their rows.
    """
    grey = np.asarray(luma)
    top, bottom = _frame(grey)
    left, right = _frame(grey[top:bottom].T) if top < bottom else (0, 0)
    if (right - left) * LEAST_LEFT < luma.width or (bottom - top) * LEAST_LEFT < luma.height:
        return None
    box = (left, top, right, bottom)
    return None if box == (0, 0, *luma.size) else luma.crop(box)


def _frame(grey: Grey) -> tuple[int, int]:
    """(first, behind the last) of the rows between those at the rim that are mostly of one shade."""
    return _leading(grey), len(grey) - _leading(grey[::-1])


def _leading(rows: Grey) -> int:
    """How many rows from the first are mostly of its median shade."""
    shade = int(np.sort(rows[0])[rows.shape[1] // 2])
    alike = (np.abs(rows.astype(np.int16) - shade) <= FRAME_SHADES).sum(axis=1)
    others = np.flatnonzero(alike * 2 < rows.shape[1])
    return int(others[0]) if len(others) else len(rows)


_CENTRES = np.arange(1, 2 * SAMPLES, 2)
"""Of the samples along a side, in 1 / 128 of it."""


def _line(start: int, length: int) -> npt.NDArray[np.int64]:
    """The samples along a line; `start` and `length` in thousandths of a pixel."""
    return (start * 2 * SAMPLES + _CENTRES * length) // (1000 * 2 * SAMPLES)


def _window(left: int, top: int, across: int, down: int) -> Places:
    """Samples over a rectangle, all in thousandths of a pixel."""
    return _line(left, across), _line(top, down)[:, np.newaxis]


def _within(width: int, height: int, *, sides: Sides) -> Places:
    """What cutting `sides` off leaves."""
    left, top, right, bottom = sides
    return _window(left * width, top * height, (1000 - left - right) * width, (1000 - top - bottom) * height)


def _around(width: int, height: int, *, border: int) -> Places:
    """With a border, equally wide on all sides, in thousandths of the shorter one."""
    wide = border * min(width, height)
    return _window(-wide, -wide, 1000 * width + 2 * wide, 1000 * height + 2 * wide)


def _square(width: int, height: int) -> Places:
    """The square in the middle."""
    side = min(width, height)
    return _window(500 * (width - side), 500 * (height - side), 1000 * side, 1000 * side)


def _canvas(width: int, height: int, *, wide: int, high: int) -> Places:
    """In the middle of the smallest canvas of `wide` to `high` that holds the whole photo."""
    across, down = max(1000 * width, 1000 * height * wide // high), max(1000 * height, 1000 * width * high // wide)
    return _window((1000 * width - across) // 2, (1000 * height - down) // 2, across, down)


_UNIT = 1 << 16
_COSINE, _SINE = 65496, 2287
"""Of two degrees, in 1 / 65536: near enough to people's tilts of one to three."""


def _tilted(width: int, height: int, *, turn: int, kept: int = 1000) -> Places:
    """Turned about the middle by two degrees, anticlockwise for `turn` = 1, else -1; of each side `kept` thousandths."""
    across, down = (_CENTRES - SAMPLES) * width * kept, (_CENTRES[:, np.newaxis] - SAMPLES) * height * kept
    pixel = 1000 * 2 * SAMPLES * _UNIT
    columns = (width * pixel // 2 + across * _COSINE - down * (_SINE * turn)) // pixel
    rows = (height * pixel // 2 + across * (_SINE * turn) + down * _COSINE) // pixel
    return columns, rows


def _straightened(width: int, height: int, *, turn: int) -> Places:
    """Tilted, and cut to the largest rectangle of the photo's shape that lies inside of it."""
    shorter, longer = sorted((width, height))
    return _tilted(width, height, turn=turn, kept=1000 * _UNIT * shorter // (shorter * _COSINE + longer * _SINE))


_ON_ALL_SIDES = (1, 1, 1, 1)
_ON = {"on the left": (1, 0, 0, 0), "at the top": (0, 1, 0, 0), "on the right": (0, 0, 1, 0), "at the bottom": (0, 0, 0, 1)}
_IN_A_CORNER = {
    "on the left and at the top": (1, 1, 0, 0),
    "on the right and at the top": (0, 1, 1, 0),
    "on the left and at the bottom": (1, 0, 0, 1),
    "on the right and at the bottom": (0, 0, 1, 1),
}
_SHADES = {"white": 255, "black": 0}
GREY = 128
"""Stands for every shade of a bar across the whole photo: it adds nothing to PDQ, whose frequencies all vary in both directions."""
_TURNS = {"left": 1, "right": -1}


def _cropped(per_cent: int, sides: Sides) -> Callable[[int, int], Places]:
    left, top, right, bottom = (side * per_cent * 10 for side in sides)
    return partial(_within, sides=(left, top, right, bottom))


def _grown(per_cent: int, sides: Sides) -> Callable[[int, int], Places]:
    """What the photo is a crop of; `per_cent` of the sides as they were."""
    left, top, right, bottom = sides
    across, down = 100 - per_cent * (left + right), 100 - per_cent * (top + bottom)
    thousandths = (-1000 * per_cent * left // across, -1000 * per_cent * top // down)
    return partial(_within, sides=(*thousandths, -1000 * per_cent * right // across, -1000 * per_cent * bottom // down))


EDITS = (
    *(Edit(f"cropped {c} % on all sides", _cropped(c, _ON_ALL_SIDES)) for c in (2, 5, 8, 11, 14, 17, 20)),
    *(Edit(f"cropped {c} % {where}", _cropped(c, _ON[where])) for where in _ON for c in (4, 8, 12, 16, 20)),
    *(Edit(f"cropped {c} % {where}", _cropped(c, _IN_A_CORNER[where])) for where in _IN_A_CORNER for c in (5, 10)),
    Edit("cropped to a square", _square),
    *(Edit(f"{shade} border of {c} %", partial(_around, border=c * 10), _SHADES[shade]) for shade in _SHADES for c in (3, 7, 11)),
    *(Edit(f"a bar of {c} % {where}", _cropped(-c, _ON[where]), GREY) for where in ("at the top", "at the bottom") for c in (10, 14, 18)),
    Edit("in a square", partial(_canvas, wide=1, high=1), GREY),
    Edit("on a phone's screen", partial(_canvas, wide=6, high=13), GREY),
    *(Edit(f"tilted to the {hand}", partial(_tilted, turn=turn), 0) for hand, turn in _TURNS.items()),
    *(Edit(f"straightened to the {hand}", partial(_straightened, turn=turn)) for hand, turn in _TURNS.items()),
    *(Edit(f"before a crop of {c} % on all sides", _grown(c, _ON_ALL_SIDES)) for c in (2, 5, 8)),
    *(Edit(f"before a crop of {c} % {where}", _grown(c, _ON[where])) for where in _ON for c in (5, 10, 15)),
)
"""Steps are as wide as PDQ_CONFIRMED bridges: a copy between two of them is found by one."""
