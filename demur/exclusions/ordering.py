"""Compiled loops over entries as columns: the canonical order, and what two tables in that order have in common."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demur.similarity.kernels import compiled


class Columns(NamedTuple):
    """Entries as plain arrays. Entry i has the key data[offsets[i]:offsets[i + 1]]; a phash entry i has the pdq in row i - first."""

    kinds: NDArray[np.int8]  # (n,) position in KeyKind
    offsets: NDArray[np.int64]  # (n + 1,)
    data: NDArray[np.uint8]
    pdqs: NDArray[np.uint8]  # (p, 32)
    first: int  # position of the first phash entry
    phash: int  # the position of phash in KeyKind
    ranks: NDArray[np.int8]  # place of each kind in canonical order, by its position in KeyKind


def text_buffers(column: pa.LargeStringArray) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Offsets (n + 1,) and bytes of a text column without nulls, read-only and not copied."""
    _, offsets, data = column.buffers()
    text = np.frombuffer(data if data is not None else b"", dtype=np.uint8)
    text.flags.writeable = False
    if offsets is None or offsets.size == 0:
        return np.zeros(1, dtype=np.int64), text
    places = np.frombuffer(offsets, dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    places.flags.writeable = False
    return places, text


@compiled
def _compare_bytes(a: NDArray[np.uint8], a_start: int, a_stop: int, b: NDArray[np.uint8], b_start: int, b_stop: int) -> int:
    for step in range(min(a_stop - a_start, b_stop - b_start)):
        if a[a_start + step] != b[b_start + step]:
            return -1 if a[a_start + step] < b[b_start + step] else 1  # no difference of bytes: they have no sign
    return (a_stop - a_start) - (b_stop - b_start)


@compiled
def compare(a: Columns, i: int, b: Columns, j: int) -> int:
    """Below, at or above 0 as entry i of `a` comes before, is, or comes after entry j of `b`. The order of UTF-8 is that of code points."""
    if a.kinds[i] != b.kinds[j]:
        return -1 if a.ranks[a.kinds[i]] < b.ranks[b.kinds[j]] else 1
    found = _compare_bytes(a.data, a.offsets[i], a.offsets[i + 1], b.data, b.offsets[j], b.offsets[j + 1])
    if found == 0 and a.kinds[i] == a.phash:
        return _compare_bytes(a.pdqs[i - a.first], 0, 32, b.pdqs[j - b.first], 0, 32)
    return found


@compiled
def in_order(entries: Columns) -> bool:
    """Whether every entry comes after the one before it."""
    for entry in range(1, len(entries.kinds)):  # noqa: SIM110 — compiled code has no all()
        if compare(entries, entry - 1, entries, entry) >= 0:
            return False
    return True


@compiled
def mark_shared(a: Columns, b: Columns, in_both_a: NDArray[np.bool_], in_both_b: NDArray[np.bool_]) -> None:
    """Sets, for each entry of either table, whether the other one has it, too."""
    i = j = 0
    while i < len(a.kinds) and j < len(b.kinds):
        order = compare(a, i, b, j)
        if order == 0:
            in_both_a[i] = in_both_b[j] = True
        i += order <= 0
        j += order >= 0


@compiled
def locate(entries: Columns, asked: Columns, positions: NDArray[np.int64], found: NDArray[np.bool_]) -> None:
    """For each asked entry its position among `entries`, or that of the first one after it, and whether it is there."""
    for question in range(len(asked.kinds)):
        low, high = 0, len(entries.kinds)
        while low < high:
            middle = (low + high) // 2
            if compare(entries, middle, asked, question) < 0:
                low = middle + 1
            else:
                high = middle
        positions[question] = low
        found[question] = low < len(entries.kinds) and compare(entries, low, asked, question) == 0


@compiled
def weave_keys(
    old: Columns,
    changes: Columns,
    positions: NDArray[np.int64],
    adds: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
) -> None:
    """Writes the keys of `old` with each change made at its position: added before it, or the entry there left out."""
    at = count = size = 0
    for change in range(len(positions) + 1):
        stop = positions[change] if change < len(positions) else len(old.kinds)
        run = old.offsets[stop] - old.offsets[at]
        data[size : size + run] = old.data[old.offsets[at] : old.offsets[stop]]
        for entry in range(at, stop):
            offsets[count] = size + old.offsets[entry] - old.offsets[at]
            count += 1
        size, at = size + run, stop
        if change < len(positions) and adds[change]:
            run = changes.offsets[change + 1] - changes.offsets[change]
            data[size : size + run] = changes.data[changes.offsets[change] : changes.offsets[change + 1]]
            offsets[count] = size
            size, count = size + run, count + 1
        elif change < len(positions):
            at += 1
    offsets[count] = size
