"""The compiled loops of a join: buckets are compared with the queries of the buckets around them.

Buckets are taken by the word of 64, which is what one look into the bitmap of buckets with queries says something about: the bits above the
lowest six lead to the words within the limit, few of which have any query, and the lowest six from each query there to its buckets here.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from demur.similarity.kernels import compiled, popcount, turned
from demur.similarity.tables.layout import U64, Probe
from demur.similarity.tables.search import U8, U32, matched, near

I32 = npt.NDArray[np.int32]
WORD_BITS = 6
LOW_FLIPS = np.array(sorted(range(1 << WORD_BITS), key=int.bit_count), dtype=np.int64)
LOW_COUNTS = np.array([sum(flip.bit_count() <= limit for flip in range(1 << WORD_BITS)) for limit in range(WORD_BITS + 1)])
"""The first LOW_COUNTS[n] of LOW_FLIPS flip at most n bits."""
ENOUGH = 1 << 20
"""Matches after which a window is left and taken up again later, so that a popular cluster costs time and not memory."""


class Asked(NamedTuple):
    """Distinct permuted queries as one table looks for them."""

    table: int
    hashes: U64  # rotated as the table's are, ascending
    numbers: I32  # which query each of them is
    starts: U32  # (2^width + 1,): where the queries of each bucket begin
    occupied: U64  # bit b of word w is set where bucket 64 w + b has any: small enough to stay in the processor's cache
    flips: U64  # what to xor a word's number with to get the words within the table's limit


class Matches(NamedTuple):
    """Pairs of a query and a distinct permuted hash within the radius, and their distances."""

    queries: I32
    hashes: U64
    distances: U8


@compiled
def arranged(table: int, probe: Probe, queries: U64, flips: U64) -> Asked:
    """The distinct permuted queries, arranged for a table."""
    hashes = np.empty_like(queries)
    for number in range(len(queries)):
        hashes[number] = turned(queries[number], probe.turns[table])
    numbers = np.argsort(hashes)
    hashes = hashes[numbers]
    buckets = np.int64(1) << np.int64(np.uint64(64) - probe.shifts[table])
    starts = np.zeros(buckets + 1, dtype=np.uint32)
    occupied = np.zeros(buckets >> WORD_BITS, dtype=np.uint64)
    for entry in hashes:
        bucket = np.int64(entry >> probe.shifts[table])
        starts[bucket + 1] += np.uint32(1)
        occupied[bucket >> WORD_BITS] |= np.uint64(1) << np.uint64(bucket & 63)
    for place in range(buckets):
        starts[place + 1] += starts[place]
    return Asked(table, hashes, numbers.astype(np.int32), starts, occupied, flips)


@compiled
def met(entries: U64, starts: U32, probe: Probe, asked: Asked, first: int, last: int) -> tuple[Matches, int]:
    """What the buckets of the words from `first` on match that no table before this does; and the word to go on with, `last` in the end."""
    count = np.int64(0)
    matches = Matches(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint8))
    limit = probe.limits[asked.table]
    directory = starts[probe.firsts[asked.table] :]
    word = first
    while word < last and count < ENOUGH:
        for flip in asked.flips:
            there = word ^ np.int64(flip)
            occupied = asked.occupied[there]
            while occupied:
                low = popcount((occupied & -occupied) - np.uint64(1))
                occupied &= occupied - np.uint64(1)
                other = (there << WORD_BITS) + low
                for number in range(asked.starts[other], asked.starts[other + 1]):
                    for low_flip in LOW_FLIPS[: LOW_COUNTS[min(limit - popcount(flip), WORD_BITS)]]:
                        bucket = (word << WORD_BITS) + (low ^ low_flip)
                        block = entries[directory[bucket] : directory[bucket + 1]]
                        if near(block, asked.hashes[number], probe.radius):
                            hashes, distances = matched(block, asked.hashes[number], probe, asked.table)
                            matches = _appended(matches, count, asked.numbers[number], hashes, distances)
                            count += len(hashes)
        word += 1
    return Matches(matches.queries[:count], matches.hashes[:count], matches.distances[:count]), word


@compiled
def _appended(matches: Matches, count: np.int64, query: np.int32, hashes: U64, distances: U8) -> Matches:
    """The matches with more of them written after the first `count`, in arrays that double when they are full."""
    queries, all_hashes, all_distances = matches.queries, matches.hashes, matches.distances
    stop = count + len(hashes)
    if stop > len(queries):
        more = stop + len(queries)
        queries = np.concatenate((queries, np.empty(more, dtype=np.int32)))
        all_hashes = np.concatenate((all_hashes, np.empty(more, dtype=np.uint64)))
        all_distances = np.concatenate((all_distances, np.empty(more, dtype=np.uint8)))
    queries[count:stop], all_hashes[count:stop], all_distances[count:stop] = query, hashes, distances
    return Matches(queries, all_hashes, all_distances)
