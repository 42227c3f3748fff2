"""Finds every stored phash within a radius of each of some queries. Exact: nothing within the radius is left out.

An index is a directory of two memory-mapped arrays of equal length: `phashes` (little-endian u8) and `rows` (u4, ascending). A query
reads all of it in blocks that fit the processor's cache.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from demur.mapped import map_array
from demur.similarity.rules import PHASH_RADIUS

U64 = npt.NDArray[np.uint64]
BLOCK = 1 << 15


@dataclass(frozen=True)
class Hits:
    """Parallel arrays, ordered by query, then by row: `rows[i]` is `distances[i]` bits (of 64) from query number `queries[i]`."""

    queries: npt.NDArray[np.int32]
    rows: npt.NDArray[np.uint32]
    distances: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rows)


class SimilarityIndex:
    """An open index; safe to share between threads."""

    def __init__(self, phashes: U64, rows: npt.NDArray[np.uint32]) -> None:
        self._phashes, self._rows = phashes, rows

    @classmethod
    def build(cls, path: Path, phashes: U64, rows: npt.NDArray[np.uint32] | None = None) -> None:
        """Writes the index of `phashes`, whose rows are `rows` (ascending) or else 0, 1, 2, … Raises OSError."""
        path.mkdir()
        phashes.astype("<u8").tofile(path / "phashes")
        (np.arange(len(phashes)) if rows is None else rows).astype("<u4").tofile(path / "rows")

    @classmethod
    def open(cls, path: Path) -> "SimilarityIndex":
        """Maps an index. Raises OSError."""
        return cls(map_array(path / "phashes", np.uint64), map_array(path / "rows", np.uint32))

    def __len__(self) -> int:
        return len(self._rows)

    def query(self, phashes: U64, radius: int = PHASH_RADIUS) -> Hits:
        """All rows within `radius` bits of each of `phashes` (Q,)."""
        found = [self._scan(start, phashes, radius) for start in range(0, len(self), BLOCK)]
        queries, places, distances = (np.concatenate(parts) for parts in zip(_NOTHING, *found, strict=True))
        order = np.argsort(queries, kind="stable")
        return Hits(queries[order], self._rows[places[order]], distances[order])

    def _scan(self, start: int, phashes: U64, radius: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        block = self._phashes[start : start + BLOCK]
        found = [_within(block, phash, radius) for phash in phashes]
        queries = np.repeat(np.arange(len(phashes), dtype=np.int32), [len(places) for places, _ in found])
        places = np.concatenate([_NOTHING[1], *(places for places, _ in found)]) + start
        return queries, places, np.concatenate([_NOTHING[2], *(distances for _, distances in found)])


_NOTHING = (np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint8))


def _within(block: U64, phash: np.uint64, radius: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    distances = np.bitwise_count(block ^ phash)
    places = np.flatnonzero(distances <= radius)
    return places, distances[places]
