"""An exact hash table from text keys to entry positions, probed for whole Arrow columns at once without making Python strings."""

import secrets

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_BYTE = np.uint64(8)


class KeyTable:
    """Text keys, each once. Lookups compare every byte, so a match is never a collision; the seed keeps crafted keys from being slow."""

    def __init__(self, keys: pa.LargeStringArray) -> None:
        self._offsets, self._data = _buffers(keys)
        self._seed = np.uint64(secrets.randbits(64))
        capacity = 1 << max(4, (2 * len(keys)).bit_length())
        self._slots = np.full(capacity, -1, dtype=np.int32)
        _fill(self._slots, self._offsets, self._data, self._seed)

    def find(self, column: pa.LargeStringArray) -> NDArray[np.int32]:
        """The position of each value among the keys, or -1, also for nulls. (n,) int32."""
        offsets, data = _buffers(column)
        found = np.empty(len(column), dtype=np.int32)
        _probe(self._slots, self._offsets, self._data, self._seed, offsets, data, found)
        if column.null_count:
            found[column.is_null().to_numpy(zero_copy_only=False)] = -1
        return found


def _buffers(column: pa.LargeStringArray) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    _, offsets, data = column.buffers()
    if offsets is None or offsets.size == 0:
        return np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.uint8)
    text = np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, dtype=np.uint8)
    return np.frombuffer(offsets, dtype=np.int64)[column.offset : column.offset + len(column) + 1], text


@numba.njit(cache=True)
def _mix(data: NDArray[np.uint8], start: int, stop: int, seed: np.uint64) -> np.uint64:
    state = seed ^ np.uint64(stop - start)
    at = start
    while at + 8 <= stop:
        word = np.uint64(0)
        for byte in range(8):
            word |= np.uint64(data[at + byte]) << (np.uint64(byte) * _BYTE)
        state = (state ^ word) * _MULTIPLIER
        state ^= state >> _SHIFT
        at += 8
    while at < stop:
        state = (state ^ np.uint64(data[at])) * _MULTIPLIER
        at += 1
    state ^= state >> _SHIFT
    return state * _MULTIPLIER


@numba.njit(cache=True)
def _equal(a: NDArray[np.uint8], a_start: int, a_stop: int, b: NDArray[np.uint8], b_start: int, b_stop: int) -> bool:
    if a_stop - a_start != b_stop - b_start:
        return False
    step = 0
    while step < a_stop - a_start and a[a_start + step] == b[b_start + step]:
        step += 1
    return step == a_stop - a_start


@numba.njit(cache=True)
def _fill(slots: NDArray[np.int32], offsets: NDArray[np.int64], data: NDArray[np.uint8], seed: np.uint64) -> None:
    top = np.uint64(len(slots) - 1)
    for key in range(len(offsets) - 1):
        digest = _mix(data, offsets[key], offsets[key + 1], seed)
        slot = (digest ^ (digest >> np.uint64(32))) & top
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & top
        slots[slot] = key


@numba.njit(cache=True)
def _probe(
    slots: NDArray[np.int32],
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    seed: np.uint64,
    asked_offsets: NDArray[np.int64],
    asked: NDArray[np.uint8],
    found: NDArray[np.int32],
) -> None:
    top = np.uint64(len(slots) - 1)
    for row in range(len(asked_offsets) - 1):
        start, stop = asked_offsets[row], asked_offsets[row + 1]
        digest = _mix(asked, start, stop, seed)
        slot = (digest ^ (digest >> np.uint64(32))) & top
        found[row] = -1
        while slots[slot] >= 0:
            key = slots[slot]
            if _equal(data, offsets[key], offsets[key + 1], asked, start, stop):
                found[row] = key
                break
            slot = (slot + np.uint64(1)) & top
