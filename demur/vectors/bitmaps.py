"""Sets of row numbers as roaring bitmaps in their portable form: https://github.com/RoaringBitmap/RoaringFormatSpec (32 bits)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap, FrozenBitMap

from demur.exclusions.trusted import ListRefused

U32 = NDArray[np.uint32]
MOST = 1 << 32
"""Numbers are below it."""


class BadBitmap(ListRefused):
    """The bytes are cut short, or are no roaring bitmap in its portable form."""


def encoded(numbers: BitMap) -> bytes:
    """The portable form, runs as runs. Changes how `numbers` is held, not what it holds."""
    numbers.run_optimize()
    return numbers.serialize()


def decoded(data: bytes) -> FrozenBitMap:
    """Reads the portable form, and nothing before, after or between its parts. Raises BadBitmap."""
    try:
        numbers = FrozenBitMap.deserialize(data)
    except (ValueError, IndexError) as error:
        raise BadBitmap(f"a bitmap is cut short or damaged: {error}") from error
    if numbers.serialize() != data:
        raise BadBitmap("a bitmap has bytes that belong to none of its numbers")
    return numbers


def array_of(numbers: BitMap | FrozenBitMap) -> U32:
    """All numbers, ascending, (n,) uint32."""
    return np.frombuffer(numbers.to_array(), dtype=np.uint32)


def pieces(numbers: BitMap, size: int) -> Iterator[U32]:
    """All numbers, ascending, at most `size` at a time."""
    for start in range(0, len(numbers), size):
        yield array_of(numbers[start : start + size])
