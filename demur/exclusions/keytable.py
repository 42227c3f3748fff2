"""An exact hash table from text keys to their positions, asked for whole Arrow columns at once without making Python strings.

Ten million keys fit into no cache, so the table is made to wait little: a slot holds half of a key's digest beside the key's position, so
that next to nothing but true matches touch the keys; slots are in the order of these halves, so that a search ends as soon as it meets a
larger one; and texts are looked up in blocks, step by step, where each step asks the memory for what the next one reads, so that the
answers overlap.
"""

import secrets

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demur.exclusions.texts import Secret, Texts, digest, high, prefetch_at, same, texts
from demur.similarity.kernels import compiled, prefetch

_BLOCK = 128  # texts looked up together: few enough for what was asked for to be in the cache still when it is read
_SLOTS_A_KEY, _MOST_SLOTS_A_KEY = 1.5, 8
_FEW_SLOTS = 1 << 22  # up to that many cost little, and free ones between the keys end a search sooner
_LOWER = np.uint64(0xFFFFFFFF)
_UPPER = ~_LOWER


class KeyTable:
    """Text keys, each once. Lookups compare every byte, so a match is never a collision; the secret keeps crafted keys from being slow."""

    def __init__(self, keys: pa.LargeStringArray) -> None:
        """Fewer than 2³² keys, without nulls. They are not copied; the table takes 12 bytes a key besides, or up to 32 MB."""
        self._column, self._keys = keys, texts(keys)
        self._secret: Secret = tuple(np.uint64(secrets.randbits(64)) for _ in range(4))  # type: ignore[assignment]
        slots = max(16, int(_SLOTS_A_KEY * len(keys)), min(_MOST_SLOTS_A_KEY * len(keys), _FEW_SLOTS))
        self._size, behind = np.uint64(slots), 1024
        self._slots = np.zeros(slots + behind, dtype=np.uint64)
        while not _fill(self._slots[:-1], self._size, self._keys, self._secret):  # the last slot stays free: searches end there
            behind *= 8
            self._slots = np.zeros(slots + behind, dtype=np.uint64)

    def __reduce__(self) -> tuple[type["KeyTable"], tuple[pa.LargeStringArray]]:
        """Travels to other processes without what it made of its keys: that points into this one's memory."""
        return KeyTable, (self._column,)

    def find(self, column: pa.StringArray | pa.LargeStringArray) -> NDArray[np.int64]:
        """The position of each value among the keys, or -1, also for nulls. (n,) int64."""
        found = np.empty(len(column), dtype=np.int64)
        _find(self._slots, self._size, self._keys, self._secret, texts(column), found)
        if column.null_count:
            found[column.is_null().to_numpy(zero_copy_only=False)] = -1
        return found


@compiled
def _fill(slots: NDArray[np.uint64], size: np.uint64, keys: Texts, secret: Secret) -> bool:
    """A slot is 0 while it is free, else the upper half of the key's digest and, in its lower half, the key's position plus 1.

    Says whether all keys found room: there is some, and not without end, behind the `size` slots where searches begin.
    """
    offsets, base = keys
    digests = np.empty(_BLOCK, dtype=np.uint64)
    for first in range(0, len(offsets) - 1, _BLOCK):
        count = min(_BLOCK, len(offsets) - 1 - first)
        for key in range(count):
            digests[key] = digest(base + np.uint64(offsets[first + key]), base + np.uint64(offsets[first + key + 1]), secret)
            prefetch(slots, high(digests[key], size))
        for key in range(count):
            slot = high(digests[key], size)
            content = (digests[key] & _UPPER) | np.uint64(first + key + 1)
            while content and slot < np.uint64(len(slots)):
                if content < slots[slot] or slots[slot] == 0:
                    slots[slot], content = content, slots[slot]  # the larger one moves on
                slot += np.uint64(1)
            if content:
                return False
    return True


@compiled
def _find(slots: NDArray[np.uint64], size: np.uint64, keys: Texts, secret: Secret, asked: Texts, found: NDArray[np.int64]) -> None:
    key_offsets, key_base = keys
    offsets, base = asked
    digests, places = np.empty(_BLOCK, dtype=np.uint64), np.empty(_BLOCK, dtype=np.uint64)
    for first in range(0, len(found), _BLOCK):
        count = min(_BLOCK, len(found) - first)
        for text in range(count):
            digests[text] = digest(base + np.uint64(offsets[first + text]), base + np.uint64(offsets[first + text + 1]), secret)
            places[text] = high(digests[text], size)
            prefetch(slots, places[text])
        for text in range(count):
            slot, least = places[text], digests[text] & _UPPER
            while slots[slot] < least and slots[slot]:
                slot += np.uint64(1)
            places[text], found[first + text] = slot, _key(slots[slot], least)
            prefetch(key_offsets, max(found[first + text], 0))
        for text in range(count):
            prefetch_at(key_base + np.uint64(key_offsets[max(found[first + text], 0)]))
        for text in range(count):
            start, stop = base + np.uint64(offsets[first + text]), base + np.uint64(offsets[first + text + 1])
            slot, key = places[text], found[first + text]
            while key >= 0 and not same(key_base + np.uint64(key_offsets[key]), key_base + np.uint64(key_offsets[key + 1]), start, stop):
                slot += np.uint64(1)
                key = _key(slots[slot], digests[text] & _UPPER)
            found[first + text] = key


@compiled
def _key(content: np.uint64, least: np.uint64) -> np.int64:
    """The position of a slot's key, or -1 when the slot is free or holds another half of a digest than the upper one of `least`."""
    return np.int64(content & _LOWER) - 1 if content and (content ^ least) <= _LOWER else np.int64(-1)
