"""Keys that are whole numbers, compared as numbers: a column of them needs no text made of it, and is looked up several times as fast."""

import secrets

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demur.exclusions.texts import Texts, byte_at, high, texts
from demur.similarity.kernels import compiled, prefetch

_BLOCK = 128  # numbers looked up together: the memory's answers overlap
_SLOTS_A_KEY = 2  # with fewer, searches take more than one step, and the processor does not foresee how many
_MINUS, _ZERO, _NINE, _TEN = (np.uint64(number) for number in (ord("-"), ord("0"), 9, 10))
_LARGEST = np.uint64(2**63 - 1)
_MOST_DIGITS = 19

Secret = tuple[np.uint64, ...]


class NumberSet:
    """Those of some text keys that are the decimal text of an int64: "7" or "-12", not "07", "+7" or "-0", which no number is shown as.

    They are kept as digests in ascending order, each at or soon after the slot that its upper bits say. No two numbers have the same
    digest, so a match is never a collision, and nobody can choose numbers that are slow to find. Takes 16 bytes a key.
    """

    def __init__(self, keys: pa.LargeStringArray) -> None:
        """Each once, without nulls."""
        self._secret: Secret = tuple(np.uint64(secrets.randbits(64) | 1) for _ in range(3))
        digests = np.empty(len(keys), dtype=np.uint64)
        digests = digests[: _read(texts(keys), self._secret, digests)]
        digests.sort()
        self._size = np.uint64(_SLOTS_A_KEY * len(digests))
        self._slots = np.repeat(digests, np.diff(_places(digests, self._size), prepend=-1))  # a free slot says what comes next

    def has(self, column: pa.Int64Array) -> NDArray[np.bool_]:
        """Whether each number is there; nulls are not. (n,) bool."""
        found = np.empty(len(column), dtype=np.bool_)
        _find(self._slots, self._size, self._secret, column.fill_null(0).to_numpy(), found)
        return found & column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else found


@compiled
def _digest(number: np.int64, secret: Secret) -> np.uint64:
    """Every step can be undone, so that no two numbers have the same. The secrets are odd."""
    mixed = (np.uint64(number) ^ secret[0]) * secret[1]
    mixed = (mixed ^ (mixed >> np.uint64(32))) * secret[2]
    mixed = (mixed ^ (mixed >> np.uint64(29))) * secret[1]
    return mixed ^ (mixed >> np.uint64(32))


@compiled
def _read(keys: Texts, secret: Secret, digests: NDArray[np.uint64]) -> int:
    """Fills in the digests of the keys that are numbers, and says how many they are."""
    offsets, base = keys
    count = 0
    for key in range(len(offsets) - 1):
        start, stop = base + np.uint64(offsets[key]), base + np.uint64(offsets[key + 1])
        negative = np.uint64(stop > start and byte_at(start) == _MINUS)
        start += negative
        digits = stop - start
        if digits == 0 or digits > _MOST_DIGITS or (byte_at(start) == _ZERO and digits + negative > 1):
            continue
        number = np.uint64(0)
        while start < stop and byte_at(start) - _ZERO <= _NINE:  # what is below "0" becomes very large
            number = number * _TEN + (byte_at(start) - _ZERO)
            start += np.uint64(1)
        if start == stop and number <= _LARGEST + negative:
            digests[count] = _digest(np.int64(~number + np.uint64(1) if negative else number), secret)
            count += 1
    return count


@compiled
def _places(digests: NDArray[np.uint64], size: np.uint64) -> NDArray[np.int64]:
    """The slot of each of the ascending digests: that of its upper bits, or the first free one after it."""
    places = np.empty(len(digests), dtype=np.int64)
    free = np.int64(0)
    for key in range(len(digests)):
        places[key] = max(free, np.int64(high(digests[key], size)))
        free = places[key] + 1
    return places


@compiled
def _find(slots: NDArray[np.uint64], size: np.uint64, secret: Secret, numbers: NDArray[np.int64], found: NDArray[np.bool_]) -> None:
    digests, end = np.empty(_BLOCK, dtype=np.uint64), np.uint64(len(slots))
    for first in range(0, len(numbers), _BLOCK):
        count = min(_BLOCK, len(numbers) - first)
        for number in range(count):
            digests[number] = _digest(numbers[first + number], secret)
            prefetch(slots, high(digests[number], size))
        for number in range(count):
            slot = high(digests[number], size)
            while slot < end and slots[slot] < digests[number]:
                slot += np.uint64(1)
            found[first + number] = slot < end and slots[slot] == digests[number]
