"""The eight orientations of a picture, and what they do to its cosine transform: a mirror flips signs, a quarter turn transposes.

So the hashes of all eight cost one transform.
"""

from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

Float = TypeVar("Float", np.float32, np.float64)

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

_TRANSPOSED = np.array([False, True, False, True, False, False, True, True])
_FLIPPED = (  # (top to bottom, left to right), after the transposition
    (False, False),
    (True, False),
    (True, True),
    (False, True),
    (True, False),
    (False, True),
    (False, False),
    (True, True),
)


def turned(transform: npt.NDArray[Float], lowest: int) -> npt.NDArray[Float]:
    """The DCT-II coefficients (8, n, n) of the picture in each of `ORIENTATIONS`, from those of the picture as it stands (n, n).

    Row and column i hold frequency `lowest` + i. Mirrored, a cosine of odd frequency changes its sign.
    """
    both = np.where(_TRANSPOSED[:, None, None], transform.T, transform)
    return (both * _signs(len(transform), lowest)).astype(transform.dtype, copy=False)


@cache
def _signs(side: int, lowest: int) -> npt.NDArray[np.int8]:
    odd = (np.arange(lowest, lowest + side) % 2).astype(bool)
    signs = [np.where(odd & down, -1, 1)[:, None] * np.where(odd & across, -1, 1) for down, across in _FLIPPED]
    return np.stack(signs).astype(np.int8)


def moved(side: int, lowest: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Of each orientation and each bit of its hash (`side` × `side` coefficients, row by row): which bit of the picture's own hash it is,
    and 1 where it is inverted; both (8, side²).

    A hash so derived differs from the true one by the few coefficients that lie between the two medians.
    """
    places = np.arange(side * side).reshape(side, side)
    all_places = np.where(_TRANSPOSED[:, None, None], places.T, places)
    return all_places.reshape(len(ORIENTATIONS), -1), (_signs(side, lowest) < 0).astype(np.uint8).reshape(len(ORIENTATIONS), -1)
