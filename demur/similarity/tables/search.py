"""The compiled loops of a search: find the buckets, read them, and say which rows have the hashes that lie within the radius."""

import numpy as np
import numpy.typing as npt

from demur.similarity.kernels import compiled, popcount, prefetch, turned
from demur.similarity.tables.layout import I64, U64, Probe

U32 = npt.NDArray[np.uint32]
U8 = npt.NDArray[np.uint8]

AHEAD, MOST_AHEAD, LINE = 8, 256, 8
"""A bucket's memory is asked for while the eighth bucket before it is read, up to 256 entries of it, 8 to a cache line: five times as fast
as waiting for each bucket in turn."""


@compiled
def permuted(hashes: U64, moves: U64) -> U64:
    """Each hash with its bits moved as `Layout.forward` or `backward` say."""
    out = np.empty(len(hashes), dtype=np.uint64)
    for at in range(len(hashes)):
        word = hashes[at]
        moved = np.uint64(0)
        for byte in range(8):
            moved |= moves[byte, (word >> np.uint64(8 * byte)) & np.uint64(0xFF)]
        out[at] = moved
    return out


@compiled
def directory_runs(probe: Probe, asked: np.uint64) -> I64:
    """(runs, 2): first and last + 1 entry of the directories that say where each bucket to read for one permuted hash begins and ends."""
    runs = np.empty((len(probe.flips), 2), dtype=np.int64)
    for table in range(len(probe.turns)):
        chunk = turned(asked, probe.turns[table]) >> probe.shifts[table]
        for at in range(probe.flip_ends[table], probe.flip_ends[table + 1]):
            runs[at, 0] = probe.firsts[table] + np.int64(chunk ^ probe.flips[at])
            runs[at, 1] = runs[at, 0] + 2
    return runs


@compiled
def buckets(starts: U32, directory_runs: I64) -> I64:
    """(runs, 2): first and last + 1 entry of every bucket to read, table by table as in `probe.flip_ends`."""
    runs = np.empty_like(directory_runs)
    for at in range(len(runs)):
        runs[at, 0], runs[at, 1] = starts[directory_runs[at, 0]], starts[directory_runs[at, 0] + 1]
    return runs


@compiled
def matching(tables: U64, probe: Probe, runs: I64, asked: np.uint64) -> tuple[U64, U8]:
    """All distinct permuted hashes within the radius, each once, and their distances. tables: (3, n)."""
    hashes, distances = np.empty(64, dtype=np.uint64), np.empty(64, dtype=np.uint8)
    count = 0
    for table in range(len(probe.turns)):
        entries, turn, last = tables[table], probe.turns[table], probe.flip_ends[table + 1]
        target = turned(asked, turn)
        for run in range(probe.flip_ends[table], last):
            start, stop = runs[run]
            _fetch(entries, runs[min(run + AHEAD, last - 1)])
            if not near(entries[start:stop], target, probe.radius):
                continue
            for at in range(start, stop):
                entry = entries[at]
                distance = popcount(entry ^ target)
                if distance > probe.radius or (at > start and entries[at - 1] == entry):
                    continue
                found = turned(entry, (np.uint64(64) - turn) & np.uint64(63))
                if met_before(probe, table, found ^ asked):
                    continue
                if count == len(hashes):
                    hashes, distances = np.concatenate((hashes, hashes)), np.concatenate((distances, distances))
                hashes[count], distances[count] = found, distance
                count += 1
    return hashes[:count], distances[:count]


@compiled
def _fetch(entries: U64, run: I64) -> None:
    for at in range(run[0], min(run[1], run[0] + MOST_AHEAD), LINE):
        prefetch(entries, at)


@compiled
def near(entries: U64, target: np.uint64, radius: int) -> int:
    """How many are within the radius. Without a branch, so that it is compiled to compare many entries at once."""
    count = 0
    for entry in entries:
        count += popcount(entry ^ target) <= radius
    return count


@compiled
def met_before(probe: Probe, table: int, difference: np.uint64) -> bool:
    met = False
    for earlier in range(table):
        met |= popcount(difference & probe.chunks[earlier]) <= probe.limits[earlier]
    return met


@compiled
def first_buckets(starts: U32, probe: Probe, hashes: U64) -> I64:
    """(hashes, 2): first and last + 1 entry of the bucket of table 0 that each permuted hash is in."""
    runs = np.empty((len(hashes), 2), dtype=np.int64)
    for at in range(len(hashes)):
        bucket = np.int64(hashes[at] >> probe.shifts[0])
        runs[at, 0], runs[at, 1] = starts[bucket], starts[bucket + 1]
    return runs


@compiled
def places(table: U64, starts: U32, probe: Probe, hashes: U64) -> I64:
    """(hashes, 2): first and last + 1 entry of each permuted hash in table 0, which has it."""
    runs = first_buckets(starts, probe, hashes)
    for at in range(len(hashes)):
        first, last = runs[at]
        runs[at, 0] = first + np.searchsorted(table[first:last], hashes[at], side="left")
        runs[at, 1] = first + np.searchsorted(table[first:last], hashes[at], side="right")
    return runs
