"""The 64-bit pHash of a luma picture, equal to `imagehash.phash` of it (ImageHash 4), for all eight orientations at once.

The picture is resized to 32 × 32 as Pillow does it (Lanczos, 8-bit integers). On pictures of this size Pillow spends more than half of
a JPEG's decoding time there, so the same sums are compiled here: the tests hold them against Pillow's own, pixel by pixel.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fftpack
from PIL import Image

from demur.similarity.kernels import compiled
from demur.similarity.orientations import turned

SIDE = 32
LOBES = 3
PRECISION = 22
"""Bits after the point in Pillow's resampling weights."""
LONGEST_KEPT = 4096
"""Pixels of a line whose weights, 24 bytes a pixel, are kept for the next picture."""

Grey = npt.NDArray[np.uint8]
Weights = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]


def phash(luma: Image.Image) -> int:
    """pHash of a picture of mode "L"."""
    low = _lowest_frequencies(luma)
    return int(_packed(low[np.newaxis])[0])


def phashes(luma: Image.Image) -> tuple[int, ...]:
    """pHash of a picture of mode "L" in each of `ORIENTATIONS`."""
    return tuple(_packed(turned(_lowest_frequencies(luma), lowest=0)).tolist())


def thumbnail(grey: Grey) -> Grey:
    """`Image.resize((32, 32), LANCZOS)` of a picture (height, width). Width first, unless height shrinks more than twice as much."""
    height, width = grey.shape
    if height > SIDE and height - SIDE > 2 * (width - SIDE):
        return _narrowed(_narrowed(grey.T, *_weights(height)), *_weights(width)).T
    return _narrowed(_narrowed(grey, *_weights(width)), *_weights(height))


def phashes_of(small: Grey) -> tuple[int, ...]:
    """`phashes` of a picture that is 32 × 32 already."""
    return tuple(_packed(turned(_transformed(small), lowest=0)).tolist())


def _lowest_frequencies(luma: Image.Image) -> npt.NDArray[np.float64]:
    """The 8 × 8 lowest frequencies of the thumbnail's cosine transform."""
    return _transformed(thumbnail(np.asarray(luma)))


def _transformed(small: Grey) -> npt.NDArray[np.float64]:
    transform: npt.NDArray[np.float64] = scipy.fftpack.dct(scipy.fftpack.dct(small, axis=0), axis=1)
    return transform[:8, :8]


def _packed(low: npt.NDArray[np.float64]) -> npt.NDArray[np.uint64]:
    """One word for each (8, 8): its coefficients above their median, row by row, the first one in the highest bit."""
    flat = low.reshape(-1, 64)
    ordered = np.sort(flat, axis=1)
    medians = (ordered[:, 31] + ordered[:, 32]) / 2
    return np.packbits(flat > medians[:, None], axis=1).view(">u8").ravel().astype(np.uint64)


def _weights(length: int) -> Weights:
    """Of each of the 32 pixels of a line of `length`: (first, number) of the pixels it takes in, and their weights."""
    return _kept_weights(length) if length <= LONGEST_KEPT else _lanczos(length)


@lru_cache(maxsize=256)
def _kept_weights(length: int) -> Weights:
    return _lanczos(length)


@compiled
def _lanczos(length: int) -> Weights:
    scale = length / SIDE
    stretch = max(scale, 1.0)
    reach = LOBES * stretch
    spans = np.empty((SIDE, 2), np.int32)
    weights = np.zeros((SIDE, math.ceil(reach) * 2 + 1), np.int32)
    for out in range(SIDE):
        centre = (out + 0.5) * scale
        first = max(int(centre - reach + 0.5), 0)
        number = min(int(centre + reach + 0.5), length) - first
        spans[out, 0], spans[out, 1] = first, number
        exact = np.array([_window((first + near - centre + 0.5) / stretch) for near in range(number)])
        total = 0.0
        for weight in exact:
            total += weight
        for near in range(number):
            weights[out, near] = int(exact[near] / total * (1 << PRECISION) + (0.5 if exact[near] >= 0 else -0.5))
    return spans, weights


@compiled
def _window(distance: float) -> float:
    """Lanczos, three lobes."""
    if not -LOBES <= distance < LOBES:
        return 0.0
    return _sinc(distance) * _sinc(distance / LOBES)


@compiled
def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


@compiled
def _narrowed(grey: Grey, spans: npt.NDArray[np.int32], weights: npt.NDArray[np.int32]) -> Grey:
    """The picture with its width resized to 32 pixels, transposed: so that the other side is resized by the same loop."""
    height = len(grey)
    narrow = np.empty((SIDE, height), np.uint8)
    for row in range(height):
        line = grey[row].astype(np.int32)
        for out in range(SIDE):
            first, number = spans[out]
            narrow[out, row] = _mixed(line[first : first + number], weights[out, :number])
    return narrow


@compiled
def _mixed(line: npt.NDArray[np.int32], weights: npt.NDArray[np.int32]) -> int:
    total = np.int32(1 << (PRECISION - 1))
    for near in range(len(line)):
        total = np.int32(total + np.int32(line[near] * weights[near]))
    return min(max(int(total) >> PRECISION, 0), 255)
