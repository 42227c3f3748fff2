"""The compiled loops of a build: dealing rows out by the top bits of their hashes, and putting equal hashes in order."""

import numpy as np

from demur.similarity.kernels import compiled, turned
from demur.similarity.tables.layout import I64, U64
from demur.similarity.tables.search import U32


@compiled
def dealt(hashes: U64, rows: U32, turn: np.uint64, bits: int) -> tuple[U64, U32, I64]:
    """The hashes, rotated left by `turn`, and any rows of theirs, grouped by the top `bits`; and where each group begins and ends."""
    ends = np.zeros((1 << bits) + 1, dtype=np.int64)
    for word in hashes:
        ends[_group(turned(word, turn), bits) + 1] += 1
    ends = np.cumsum(ends)
    at = ends.copy()
    out_hashes, out_rows = np.empty_like(hashes), np.empty_like(rows)
    for number in range(len(hashes)):
        word = turned(hashes[number], turn)
        group = _group(word, bits)
        out_hashes[at[group]] = word
        if len(rows):
            out_rows[at[group]] = rows[number]
        at[group] += 1
    return out_hashes, out_rows, ends


@compiled
def _group(word: np.uint64, bits: int) -> np.int64:
    return np.int64(word >> np.uint64(64 - bits)) if bits else np.int64(0)


@compiled
def settle(hashes: U64, rows: U32) -> None:
    """Puts the rows of equal hashes, which are neighbours, in ascending order."""
    start = 0
    while start < len(hashes):
        stop = start + 1
        while stop < len(hashes) and hashes[stop] == hashes[start]:
            stop += 1
        if stop - start > 1:
            rows[start:stop] = np.sort(rows[start:stop])
        start = stop


@compiled
def count(directory: U32, hashes: U64, shift: np.uint64) -> None:
    """Adds the hashes to their buckets' sizes: bucket b is counted in `directory[b + 1]`."""
    for word in hashes:
        directory[np.int64(word >> shift) + 1] += np.uint32(1)
