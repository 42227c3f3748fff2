"""Finds the rows of a value by a sorted table of 64-bit digests, memory-mapped: two binary searches, no memory of its own.

Two files of the same length: `NAME.digests` (little-endian u8, ascending) and `NAME.rows` (little-endian u4, the row of each digest).
Two values may share a digest, so what is found is a candidate until the row's own value is compared.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from demur.mapped import map_array

U64 = npt.NDArray[np.uint64]
_STEP = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio, as in splitmix64
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def text_digests(texts: pa.Array) -> U64:
    """A 64-bit digest of each string of an array without nulls: splitmix64 over its 8-byte words and its length.

    h = mix(length · STEP); for every 8 bytes w (little-endian, the last padded with zeros): h = mix(h ^ w) · 1 + STEP.
    Not a cryptographic digest: whoever looks a value up compares the value itself.
    """
    offsets, data = _string_buffers(texts)
    starts, lengths = offsets[:-1], np.diff(offsets).astype(np.uint64)
    words: U64 = np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))
    digests = _mix(lengths * _STEP)
    for word in range(int(lengths.max(initial=0) + 7) // 8):
        reached = lengths > 8 * word
        everyone = bool(reached.all())
        active = slice(None) if everyone else np.flatnonzero(reached)
        left = lengths[active] - np.uint64(8 * word)
        unused_bits = np.uint64(8) * (np.uint64(8) - np.minimum(left, np.uint64(8)))
        value = words[starts[active] + 8 * word] & (np.uint64(2**64 - 1) >> unused_bits)
        digests[active] = _mix(digests[active] ^ value) + _STEP
    return digests


def _mix(value: U64) -> U64:
    value = (value ^ (value >> np.uint64(30))) * _MIX[0]
    value = (value ^ (value >> np.uint64(27))) * _MIX[1]
    return value ^ (value >> np.uint64(31))


def _string_buffers(texts: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Offsets (n + 1,) into bytes, which are padded so that eight can be read from any offset."""
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int32, count=texts.offset + len(texts) + 1)[texts.offset :]
    buffer = texts.buffers()[2]
    used = np.empty(0, dtype=np.uint8) if buffer is None else np.frombuffer(buffer, dtype=np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], np.concatenate([used, np.zeros(8, dtype=np.uint8)])


def sha256_digests(hexes: pa.Array) -> U64:
    """The first 64 bits of each SHA-256, given as 64 lowercase hex digits in an array without nulls."""
    _, data = _string_buffers(hexes)
    digits = data[:-8].reshape(-1, 64)[:, :16]
    nibbles = digits - np.where(digits > ord("9"), np.uint8(ord("a") - 10), np.uint8(ord("0")))
    octets = (nibbles[:, 0::2] << 4) | nibbles[:, 1::2]
    return np.ascontiguousarray(octets).view(">u8").astype(np.uint64).reshape(-1)


@dataclass(frozen=True)
class DigestTable:
    """An open table. Raises nothing of its own: a value that is not in it has no candidates."""

    digests: U64
    rows: npt.NDArray[np.uint32]

    @classmethod
    def build(cls, path: Path, digests: U64, rows: npt.NDArray[np.uint32]) -> None:
        """Writes `path`.digests and `path`.rows from arrays of equal length in any order. 24 bytes a row of memory."""
        order = np.argsort(digests, kind="stable")  # stable: the rows of equal digests stay in order
        digests[order].astype("<u8", copy=False).tofile(path.with_suffix(".digests"))
        rows[order].astype("<u4", copy=False).tofile(path.with_suffix(".rows"))

    @classmethod
    def open(cls, path: Path) -> "DigestTable":
        """Maps the two files. Raises OSError."""
        return cls(map_array(path.with_suffix(".digests"), np.uint64), map_array(path.with_suffix(".rows"), np.uint32))

    def candidates(self, digests: U64, most: int | None = None) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """All (position in `digests`, row) pairs with an equal digest, or the first `most` of each, ordered by position, then by row."""
        first = np.searchsorted(self.digests, digests, side="left")
        counts = np.searchsorted(self.digests, digests, side="right") - first
        counts = counts if most is None else np.minimum(counts, most)
        asked = np.repeat(np.arange(len(digests)), counts)
        within = np.arange(len(asked)) - np.repeat(np.cumsum(counts) - counts, counts)
        return asked, self.rows[first[asked] + within].astype(np.int64)
