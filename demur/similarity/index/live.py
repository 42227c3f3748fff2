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
        return self.take(np.lexsort((self.positions, self.sources, self.queries)))

    def take(self, places: npt.NDArray[np.int64]) -> "Found":
        return Found(*(getattr(self, field.name)[places] for field in fields(self)))


@dataclass(frozen=True)
class Live:
    """Which row numbers stand for a row, and of which source. Parallel arrays of the sources that have any rows; `numbers` names them."""

    numbers: npt.NDArray[np.int32]
    starts: U32
    ends: U32
    firsts: npt.NDArray[np.int64]
    tombstones: U32

    @classmethod
    def of(cls, path: Path, generation: Generation) -> "Live":
        """Raises TornIndex, OSError."""
        stone = generation.tombstones
        gone = np.frombuffer(checked_bytes(path, stone), "<u4") if stone else np.empty(0, np.uint32)
        # A source without rows begins where another one does, and must not stand before it.
        held = [(number, source.start, source.end, source.first) for number, source in enumerate(generation.sources) if source.rows]
        numbers, starts, ends, firsts = np.array(held, dtype=np.int64).reshape(-1, 4).T
        return cls(numbers.astype(np.int32), starts.astype(np.uint32), ends.astype(np.uint32), firsts, gone)

    def places(self, rows: U32) -> npt.NDArray[np.int32]:
        """Where each row's source stands in these arrays; -1 for a row that is gone."""
        if not len(self.starts):
            return np.full(len(rows), -1, dtype=np.int32)
        places = np.searchsorted(self.starts, rows, side="right").astype(np.int32) - np.int32(1)
        gone = (places < 0) | (rows >= self.ends[places])
        if len(self.tombstones):
            after = np.minimum(np.searchsorted(self.tombstones, rows), len(self.tombstones) - 1)
            gone |= self.tombstones[after] == rows
        places[gone] = -1
        return places

    def located(self, hits: Hits, wanted: npt.NDArray[np.bool_] | None) -> Found:
        """The hits on rows that are not gone, of the sources that are `wanted`."""
        places = self.places(hits.rows)
        kept = places >= 0
        if wanted is not None:
            kept[kept] = wanted[self.numbers[places[kept]]]
        places = places[kept]
        positions = (hits.rows[kept] - self.starts[places]).astype(np.int64) + self.firsts[places]
        return Found(hits.queries[kept], self.numbers[places], positions, hits.distances[kept])


def joined(parts: Sequence[Found]) -> Found:
    """Several findings of the same queries as one."""
    parts = (NOTHING, *parts)
    return Found(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Found)))


NOTHING = Found(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.uint8))
