"""Confirmed near duplicates of a list's phash entries among manifest rows, exactly as demur.similarity.rules defines them.

Multi-index hashing the other way round (Norouzi et al., "Fast Exact Search in Hamming Space with Multi-Index Hashing"): the *entries* are
bucketed by each of the four 16-bit chunks of their phash. Two hashes within 10 bits agree to within 2 bits in some chunk, so a row meets
every possible partner in the 137 buckets around each of its chunks.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from demur.similarity.kernels import compiled, popcount, prefetch
from demur.similarity.rules import MIN_QUALITY, PDQ_CONFIRMED, PHASH_RADIUS

_CHUNKS, _BITS = 4, 16
_FLIPS = np.array(
    [sum(1 << bit for bit in bits) for flips in range(PHASH_RADIUS // _CHUNKS + 1) for bits in combinations(range(_BITS), flips)],
    dtype=np.uint64,
)
_FEW = 1024  # below that many entries comparing with each is the faster way
_Limits = tuple[int, int]
_LIMITS: _Limits = (PHASH_RADIUS, PDQ_CONFIRMED)  # handed to compiled code, which would keep a constant's old value when rules.py changes


class NearTable:
    """phash entries, ready to be compared with rows. All entries have quality ≥ 50: the writer vouches for it."""

    def __init__(self, phashes: NDArray[np.uint64], pdqs: NDArray[np.uint64]) -> None:
        """phashes: (e,) uint64; pdqs: (e, 4) uint64, any byte order as long as the rows' is the same. Takes 48 bytes an entry more."""
        self._phashes, self._pdqs = phashes, np.ascontiguousarray(pdqs)
        chunks = [phashes >> np.uint64(_BITS * chunk) & np.uint64(0xFFFF) for chunk in range(_CHUNKS)]
        self._order = np.array([np.argsort(chunk, kind="stable") for chunk in chunks], dtype=np.int32).reshape(_CHUNKS, -1)
        self._sorted = phashes[self._order]  # once more for every chunk, so that a bucket is read from end to end
        buckets = np.arange((1 << _BITS) + 1)
        self._starts = np.array([np.searchsorted(np.sort(chunk), buckets) for chunk in chunks], dtype=np.int32)

    def find(self, phashes: NDArray[np.uint64], pdqs: NDArray[np.uint64], qualities: NDArray[np.uint8]) -> NDArray[np.int32]:
        """For each row an entry that it is a confirmed near duplicate of, or -1. (n,) int32; quality 0 where hashes are missing."""
        found = np.full(len(phashes), -1, dtype=np.int32)
        eligible = np.flatnonzero(qualities >= MIN_QUALITY)
        pdqs = np.ascontiguousarray(pdqs)
        if len(self._phashes) <= _FEW:
            _scan(self._phashes, self._pdqs, phashes, pdqs, eligible, _LIMITS, found)
        else:
            _search(self._sorted, self._order, self._starts, self._pdqs, _FLIPS, phashes, pdqs, eligible, _LIMITS, found)
        return found


@compiled
def _alike(a: NDArray[np.uint64], b: NDArray[np.uint64], most: int) -> bool:
    """Whether two PDQs differ in at most so many bits."""
    distance = 0
    for word in range(4):
        distance += popcount(a[word] ^ b[word])
    return bool(distance <= most)


@compiled
def _scan(
    entries: NDArray[np.uint64],
    entry_pdqs: NDArray[np.uint64],
    rows: NDArray[np.uint64],
    row_pdqs: NDArray[np.uint64],
    eligible: NDArray[np.int64],
    limits: _Limits,
    found: NDArray[np.int32],
) -> None:
    for row in eligible:
        phash = rows[row]
        for entry in range(len(entries)):
            if popcount(phash ^ entries[entry]) <= limits[0] and _alike(row_pdqs[row], entry_pdqs[entry], limits[1]):
                found[row] = entry
                break


@compiled
def _search(
    phashes: NDArray[np.uint64],
    order: NDArray[np.int32],
    starts: NDArray[np.int32],
    entry_pdqs: NDArray[np.uint64],
    flips: NDArray[np.uint64],
    rows: NDArray[np.uint64],
    row_pdqs: NDArray[np.uint64],
    eligible: NDArray[np.int64],
    limits: _Limits,
    found: NDArray[np.int32],
) -> None:
    for row in eligible:
        phash = rows[row]
        for chunk in range(order.shape[0]):
            value = (phash >> np.uint64(chunk * 16)) & np.uint64(0xFFFF)
            for flip in flips:
                prefetch(phashes, chunk * order.shape[1] + starts[chunk, value ^ flip])
            for flip in flips:
                bucket = value ^ flip
                for at in range(starts[chunk, bucket], starts[chunk, bucket + np.uint64(1)]):
                    if popcount(phash ^ phashes[chunk, at]) > limits[0]:
                        continue
                    if _alike(row_pdqs[row], entry_pdqs[order[chunk, at]], limits[1]):
                        found[row] = order[chunk, at]
                        break
                if found[row] >= 0:
                    break
            if found[row] >= 0:
                break
