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
    hashes, distances = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint8)
    for table in range(len(probe.turns)):
        entries, last = tables[table], probe.flip_ends[table + 1]
        target = turned(asked, probe.turns[table])
        for run in range(probe.flip_ends[table], last):
            _fetch(entries, runs[min(run + AHEAD, last - 1)])
            bucket = entries[runs[run, 0] : runs[run, 1]]
            if near(bucket, target, probe.radius):
                more, bits = matched(bucket, target, probe, table)
                hashes, distances = np.concatenate((hashes, more)), np.concatenate((distances, bits))
    return hashes, distances


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
def matched(bucket: U64, target: np.uint64, probe: Probe, table: int) -> tuple[U64, U8]:
    """The distinct permuted hashes in a bucket of a table that are within the radius, and that no table before it meets; and distances."""
    hashes, distances = np.empty(len(bucket), dtype=np.uint64), np.empty(len(bucket), dtype=np.uint8)
    back = (np.uint64(64) - probe.turns[table]) & np.uint64(63)
    count = 0
    for at in range(len(bucket)):
        difference = bucket[at] ^ target
        if (
            popcount(difference) > probe.radius
            or (at > 0 and bucket[at - 1] == bucket[at])
            or _met_before(probe, table, turned(difference, back))
        ):
            continue
        hashes[count], distances[count] = turned(bucket[at], back), popcount(difference)
        count += 1
    return hashes[:count], distances[:count]


@compiled
def _met_before(probe: Probe, table: int, difference: np.uint64) -> bool:
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
