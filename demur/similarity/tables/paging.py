"""Memory-mapped arrays that are read here and there: a cold one is asked for everywhere at once instead of page fault by page fault."""

import mmap
import resource
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numba.core import types
from numpy.typing import NDArray

from demur.similarity.kernels import compiled
from demur.similarity.tables.layout import I64

Scalar = TypeVar("Scalar", bound=np.generic)
Entries = NDArray[np.uint64] | NDArray[np.uint32]

PAGE, APART = mmap.PAGESIZE, 4 * mmap.PAGESIZE
"""Runs that lie less than APART bytes apart are read in one go."""
PIECE = 1 << 19
"""Bytes to ask for at once: Linux tacitly reads no more than the device's largest request."""
SAMPLES = 8
_FAULTS_OF = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
_WILL_NEED = mmap.MADV_WILLNEED
_madvise: Any = types.ExternalFunction("madvise", types.int32(types.uintp, types.uintp, types.int32))


def mapped(path: Path, scalar: type[Scalar]) -> NDArray[Scalar]:
    """A whole little-endian file, read-only. Of the disk only what is touched is read, and nothing around it. Raises OSError."""
    if path.stat().st_size == 0:
        return np.empty(0, dtype=scalar)
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    mapping.madvise(mmap.MADV_RANDOM)
    return np.frombuffer(mapping, dtype=scalar)


def is_cold(entries: Entries, runs: I64) -> bool:
    """Whether reading the runs (n, 2) would wait for the disk, judged by touching a few.

    The system counts this thread's waits: that is no guess from the time it takes, and unlike mincore(2) it needs no right to the file.
    """
    before = resource.getrusage(_FAULTS_OF).ru_majflt
    _touched(entries, runs)
    return resource.getrusage(_FAULTS_OF).ru_majflt > before


def ask_if_cold(entries: Entries, runs: I64) -> None:
    """Does what is_cold and will_need say."""
    if is_cold(entries, runs):
        will_need(entries, runs)


def will_need(entries: Entries, runs: I64) -> None:
    """Has the disk read all the runs (n, 2) at once, and waits for nothing."""
    _advise(entries, runs[np.argsort(runs[:, 0])])


@compiled
def _touched(entries: Entries, runs: I64) -> np.int64:
    total = np.int64(0)
    for number in range(0, len(runs), max(1, len(runs) // SAMPLES)):
        if runs[number, 0] < runs[number, 1]:
            total += np.int64(entries[runs[number, 0]])
    return total


@compiled
def _advise(entries: Entries, runs: I64) -> None:
    start = stop = np.int64(0)
    for number in range(len(runs)):
        first = np.int64(entries.ctypes.data) + runs[number, 0] * entries.itemsize
        last = np.int64(entries.ctypes.data) + runs[number, 1] * entries.itemsize
        if first == last:
            continue
        if first > stop + APART:
            _ask(start, stop)
            start = first
        stop = max(stop, last)
    _ask(start, stop)


@compiled
def _ask(start: np.int64, stop: np.int64) -> None:
    for place in range(start // PAGE * PAGE, stop, PIECE):
        _madvise(place, min(PIECE, stop - place), _WILL_NEED)
