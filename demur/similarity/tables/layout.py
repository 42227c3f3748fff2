"""How the 64 bits of a hash are cut into three chunks, and which buckets of which chunk hold everything within a radius.

Multi-index hashing (Norouzi, Punjani and Fleet, "Fast Exact Search in Hamming Space with Multi-Index Hashing", 2014): chunks are disjoint,
so the bits in which two hashes differ are shared out among them, and one chunk at least has few. For r = 3a + s, one of the first s + 1
chunks differs in at most a bits, or one of the others in at most a - 1: else there would be (s + 1)(a + 1) + (2 - s)a = r + 1 differences.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

TABLES = 3
MAX_RADIUS = 11
WIDEST = (22, 21, 21)
NARROWEST = 6
BUCKET_ROWS = 24
"""Rows that a bucket has at least on average: fewer, and finding buckets costs more time and space than reading them saves."""

# fmt: off
PERMUTATION = (
    5, 0, 35, 26, 22, 9, 37, 13, 41, 34, 52, 4, 29, 59, 58, 28,
    11, 48, 57, 53, 32, 12, 44, 6, 15, 7, 38, 36, 17, 20, 55, 47,
    54, 49, 46, 43, 8, 21, 18, 63, 60, 16, 33, 25, 19, 23, 56, 14,
    50, 45, 31, 27, 10, 1, 51, 61, 62, 3, 2, 39, 42, 24, 40, 30,
)
# fmt: on
"""Bit i of a stored hash, counted from the lowest, is bit PERMUTATION[i] of the phash. Neighbouring bits of a phash hang together; shuffled
once and for good, they fill the buckets more evenly."""


class Probe(NamedTuple):
    """What the compiled loops need to know to search within one radius. Arrays are per table unless they say otherwise."""

    radius: int
    turns: U64  # bits by which the stored hash is rotated left so that the table's chunk is on top
    shifts: U64  # bits below the chunk, so rotated
    chunks: U64  # mask of the chunk in the hash before it is rotated
    limits: I64  # bits by which a chunk may differ in order to be met by its table; -1: the table is not probed
    firsts: I64  # where its directory begins
    flips: U64  # of all tables, one after the other: what to xor a chunk with to get the chunks within its limit
    flip_ends: I64  # (4,): table j's flips are flips[flip_ends[j] : flip_ends[j + 1]]


@dataclass(frozen=True)
class Layout:
    """`permutation` of the bits (64 numbers), and `widths` of the three chunks, from the highest bit of the permuted hash downwards."""

    permutation: tuple[int, ...]
    widths: tuple[int, ...]

    @classmethod
    def fit(cls, rows: int) -> "Layout":
        """The layout of a new segment of so many rows."""
        width = max(NARROWEST, (rows // BUCKET_ROWS).bit_length() - 1)
        return cls(PERMUTATION, tuple(min(width, widest) for widest in WIDEST))

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """How many bits lie above each chunk."""
        return tuple(sum(self.widths[:table]) for table in range(TABLES))

    @cached_property
    def firsts(self) -> tuple[int, ...]:
        """Where each table's directory begins among all starts; the last number is how many there are."""
        return tuple(sum((1 << width) + 1 for width in self.widths[:table]) for table in range(TABLES + 1))

    @cached_property
    def forward(self) -> U64:
        """(8, 256): the permuted hash is the union of `forward[i, byte i of the phash]`, the lowest byte first."""
        return _by_bytes(np.argsort(np.array(self.permutation)))

    @cached_property
    def backward(self) -> U64:
        """(8, 256): the same way back."""
        return _by_bytes(np.array(self.permutation))

    def probe(self, radius: int) -> Probe:
        """The exact search within `radius`, 0 to MAX_RADIUS."""
        return _probe(self.widths, radius)


def _by_bytes(targets: I64) -> U64:
    """Lookup tables that move bit b to bit `targets[b]`."""
    values = np.arange(256, dtype=np.uint64)
    tables = np.zeros((8, 256), dtype=np.uint64)
    for bit, target in enumerate(targets):
        tables[bit // 8] |= (values >> np.uint64(bit % 8) & np.uint64(1)) << np.uint64(target)
    return tables


@lru_cache
def _probe(widths: tuple[int, ...], radius: int) -> Probe:
    layout = Layout(PERMUTATION, widths)
    whole, rest = divmod(radius, TABLES)
    limits = [whole if table <= rest else whole - 1 for table in range(TABLES)]
    flips = [flips_of(width, limit) for width, limit in zip(widths, limits, strict=True)]
    shifts = [64 - width for width in widths]
    return Probe(
        radius=radius,
        turns=np.array(layout.offsets, dtype=np.uint64),
        shifts=np.array(shifts, dtype=np.uint64),
        chunks=np.array(
            [((1 << width) - 1) << (64 - width - above) for width, above in zip(widths, layout.offsets, strict=True)], dtype=np.uint64
        ),
        limits=np.array(limits, dtype=np.int64),
        firsts=np.array(layout.firsts, dtype=np.int64),
        flips=np.concatenate(flips),
        flip_ends=np.cumsum([0, *map(len, flips)]),
    )


def flips_of(width: int, limit: int) -> U64:
    """All numbers of `width` bits with at most `limit` of them set, those with fewer first; none if the limit is negative."""
    masks = [sum(1 << bit for bit in bits) for count in range(limit + 1) for bits in combinations(range(width), count)]
    return np.array(masks, dtype=np.uint64)
