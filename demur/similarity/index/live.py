"""What hits on row numbers mean: which row of which source, or a row that is gone."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from demur.similarity.index.delta import U32, checked_bytes
from demur.similarity.index.generation import Generation
from demur.similarity.segment import Hits


@dataclass(frozen=True)
class Found:
    """Parallel arrays; each (query, row) once.

    Row `positions[i]` of source number `sources[i]` (of `SimilarityIndex.sources`) is `distances[i]` bits (of 64) from query `queries[i]`.
    """

    queries: npt.NDArray[np.int32]
    sources: npt.NDArray[np.int32]
    positions: npt.NDArray[np.int64]
    distances: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.positions)

    def ordered(self) -> "Found":
        """By query, source and position."""
        order = np.lexsort((self.positions, self.sources, self.queries))
        return Found(*(getattr(self, field.name)[order] for field in fields(self)))


@dataclass(frozen=True)
class Live:
    """Which row numbers stand for a row, and of which source."""

    starts: U32
    ends: U32
    firsts: npt.NDArray[np.int64]
    tombstones: U32

    @classmethod
    def of(cls, path: Path, generation: Generation) -> "Live":
        """Raises TornIndex, OSError."""
        stone = generation.tombstones
        gone = np.frombuffer(checked_bytes(path, stone), "<u4") if stone else np.empty(0, np.uint32)
        bounds = np.array([(source.start, source.end, source.first) for source in generation.sources], dtype=np.int64).reshape(-1, 3)
        return cls(bounds[:, 0].astype(np.uint32), bounds[:, 1].astype(np.uint32), bounds[:, 2], gone)

    def sources(self, rows: U32) -> npt.NDArray[np.int32]:
        """The number of each row's source; -1 for a row that is gone."""
        if not len(self.starts):
            return np.full(len(rows), -1, dtype=np.int32)
        sources = np.searchsorted(self.starts, rows, side="right").astype(np.int32) - np.int32(1)
        gone = (sources < 0) | (rows >= self.ends[sources])
        if len(self.tombstones):
            after = np.minimum(np.searchsorted(self.tombstones, rows), len(self.tombstones) - 1)
            gone |= self.tombstones[after] == rows
        sources[gone] = -1
        return sources

    def located(self, hits: Hits, wanted: npt.NDArray[np.bool_] | None) -> Found:
        """The hits on rows that are not gone, of the sources that are `wanted`."""
        sources = self.sources(hits.rows)
        kept = sources >= 0
        if wanted is not None:
            kept[kept] = wanted[sources[kept]]
        sources = sources[kept]
        positions = (hits.rows[kept] - self.starts[sources]).astype(np.int64) + self.firsts[sources]
        return Found(hits.queries[kept], sources, positions, hits.distances[kept])


def joined(parts: Sequence[Found]) -> Found:
    """Several findings of the same queries as one."""
    parts = (NOTHING, *parts)
    return Found(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Found)))


NOTHING = Found(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.uint8))
