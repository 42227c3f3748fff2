"""Rows of a catalogue, sorted by (owner, uid), brought back into the order of the shards that they came from."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyroaring import BitMap

from demur.errors import DemurError
from demur.manifests import Catalogue
from demur.manifests.pictures import has_pictures, suffix
from demur.vectors.bitmaps import MOST, pieces
from demur.vectors.finding import Progress

TAR_BLOCK = 512
READ_AT_ONCE = 1 << 20
"""Rows whose shards are read at once."""
SORTED_AT_ONCE = 1 << 24
"""Rows that are sorted at once, 24 bytes each."""


class PlaceTooFar(DemurError):
    """A row stands further down its shard than a deletion vector can say."""


@dataclass
class ShardRows:
    """So many rows of a shard, and the places where they stand: fewer, where two rows share a picture."""

    rows: int = 0
    places: BitMap = field(default_factory=BitMap)


def by_shard(catalogue: Catalogue, positions: BitMap, progress: Progress) -> dict[str, ShardRows]:
    """The rows at these positions, by the shard they came from.

    Memory: two bytes a row at most, as the places are held in bitmaps, some hundred bytes a shard, and SORTED_AT_ONCE rows.
    Raises PlaceTooFar, OSError.
    """
    grouping = _Grouping()
    done = 0
    for piece in pieces(positions, READ_AT_ONCE):
        table = catalogue.take(piece, ["shard", "row"])
        grouping.add(table["shard"].combine_chunks(), table["row"].to_numpy())
        done += len(piece)
        progress(done, len(positions), "sorting by shard")
    return grouping.finished()


def step(shard: str) -> int:
    """What the catalogue's column `row` is divided by to give the place: in a tar `row` is an offset, always of a whole block.

    0 for a picture that is a shard of its own: its one place is 0, whatever `row` says.
    """
    if suffix(shard) == ".tar":
        return TAR_BLOCK
    return 0 if has_pictures(shard) else 1


class _Grouping:
    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._waiting: list[NDArray[np.uint64]] = []
        self._held = 0
        self._shards: dict[int, ShardRows] = defaultdict(ShardRows)

    def add(self, shards: pa.StringArray, rows: NDArray[np.int64]) -> None:
        encoded = shards.dictionary_encode()
        names = encoded.dictionary.to_pylist()
        which = encoded.indices.to_numpy()
        numbers = np.array([self._numbers.setdefault(name, len(self._numbers)) for name in names], dtype=np.uint64)
        steps = np.array([step(name) for name in names], dtype=np.int64)[which]
        places, rest = np.divmod(np.where(steps, rows, 0), np.maximum(steps, 1))
        if rest.any() or (places >= MOST).any():
            raise PlaceTooFar("a row's place in its shard is no whole block, or lies beyond four billion")
        self._waiting.append(numbers[which] << np.uint64(32) | places.astype(np.uint64))
        self._held += len(rows)
        if self._held >= SORTED_AT_ONCE:
            self._flush()

    def finished(self) -> dict[str, ShardRows]:
        self._flush()
        return {name: self._shards[number] for name, number in self._numbers.items()}

    def _flush(self) -> None:
        keys = np.concatenate([*self._waiting, np.empty(0, np.uint64)])
        self._waiting, self._held = [], 0
        keys.sort()
        ends = np.flatnonzero(np.diff(keys >> np.uint64(32), append=np.uint64(MOST))) + 1
        for start, end in pairwise([0, *ends.tolist()]):
            shard = self._shards[int(keys[start] >> np.uint64(32))]
            shard.rows += end - start
            shard.places |= BitMap(keys[start:end].astype(np.uint32))
