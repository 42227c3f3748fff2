"""The compiled loops of a join: a table is read bucket after bucket, and each is compared with the queries of the buckets around it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from demur.similarity.kernels import compiled, popcount, turned
from demur.similarity.tables.layout import U64, Probe
from demur.similarity.tables.search import U8, U32, met_before, near

I32 = npt.NDArray[np.int32]
ENOUGH = 1 << 20
"""Matches after which a window is left and taken up again later, so that a popular cluster costs time and not memory."""


class Asked(NamedTuple):
    """Distinct permuted queries as one table looks for them."""

    table: int
    hashes: U64  # rotated as the table's are, ascending
    numbers: I32  # which query each of them is
    starts: U32  # (2^width + 1,): where the queries of each bucket begin
    occupied: U64  # bit b is set where bucket b has any: small enough to stay in the processor's cache


class Matches(NamedTuple):
    """Pairs of a query and a distinct permuted hash within the radius, and their distances."""

    queries: I32
    hashes: U64
    distances: U8


@compiled
def arranged(table: int, probe: Probe, queries: U64) -> Asked:
    """The distinct permuted queries, arranged for a table."""
    turn, shift = probe.turns[table], probe.shifts[table]
    hashes = np.empty_like(queries)
    for number in range(len(queries)):
        hashes[number] = turned(queries[number], turn)
    numbers = np.argsort(hashes)
    hashes = hashes[numbers]
    buckets = np.int64(1) << np.int64(np.uint64(64) - shift)
    starts = np.zeros(buckets + 1, dtype=np.uint32)
    occupied = np.zeros((buckets + 63) // 64, dtype=np.uint64)
    for word in hashes:
        bucket = word >> shift
        starts[np.int64(bucket) + 1] += np.uint32(1)
        occupied[bucket >> np.uint64(6)] |= np.uint64(1) << (bucket & np.uint64(63))
    for bucket in range(buckets):
        starts[bucket + 1] += starts[bucket]
    return Asked(table, hashes, numbers.astype(np.int32), starts, occupied)


@compiled
def met(entries: U64, starts: U32, probe: Probe, asked: Asked, first: int, last: int) -> tuple[Matches, int]:
    """What the buckets from `first` on match that no table before this does; and the bucket to go on with, `last` if none is left."""
    queries, hashes, distances = np.empty(1024, dtype=np.int32), np.empty(1024, dtype=np.uint64), np.empty(1024, dtype=np.uint8)
    count = 0
    table = asked.table
    back = (np.uint64(64) - probe.turns[table]) & np.uint64(63)
    flips = probe.flips[probe.flip_ends[table] : probe.flip_ends[table + 1]]
    bucket = first
    while bucket < last and count < ENOUGH:
        block = entries[starts[probe.firsts[table] + bucket] : starts[probe.firsts[table] + bucket + 1]]
        for flip in flips if len(block) else flips[:0]:
            other = np.uint64(bucket) ^ flip
            if not (asked.occupied[other >> np.uint64(6)] >> (other & np.uint64(63))) & np.uint64(1):
                continue
            for number in range(asked.starts[other], asked.starts[other + np.uint64(1)]):
                target = asked.hashes[number]
                if not near(block, target, probe.radius):
                    continue
                for at in range(len(block)):
                    distance = popcount(block[at] ^ target)
                    if distance > probe.radius or (at > 0 and block[at - 1] == block[at]):
                        continue
                    if met_before(probe, table, turned(block[at] ^ target, back)):
                        continue
                    if count == len(queries):
                        queries, hashes = np.concatenate((queries, queries)), np.concatenate((hashes, hashes))
                        distances = np.concatenate((distances, distances))
                    queries[count], hashes[count], distances[count] = asked.numbers[number], turned(block[at], back), distance
                    count += 1
        bucket += 1
    return Matches(queries[:count], hashes[:count], distances[:count]), bucket
