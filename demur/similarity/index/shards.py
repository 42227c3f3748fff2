"""A corpus that one index cannot number, or one machine cannot hold: indexes of ranges of its rows, searched as one."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from demur.similarity.index.generation import UnknownSource
from demur.similarity.index.live import Found, joined
from demur.similarity.index.similarity_index import SimilarityIndex
from demur.similarity.rules import PHASH_RADIUS
from demur.similarity.tables.layout import U64


@dataclass(frozen=True)
class Shards:
    """Answers as one index of all rows would. Sources of the same name are parts of one source."""

    parts: tuple[SimilarityIndex, ...]

    @cached_property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for part in self.parts for name in part.sources))

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    def query(self, phashes: U64, radius: int = PHASH_RADIUS, sources: Collection[str] | None = None) -> Found:
        """See SimilarityIndex.query."""
        return joined([self._renumbered(part, part.query(phashes, radius, self._own(part, sources))) for part in self.parts]).ordered()

    def query_batch(self, phashes: U64, radius: int = PHASH_RADIUS, sources: Collection[str] | None = None) -> Iterator[Found]:
        """See SimilarityIndex.query_batch."""
        for part in self.parts:
            for found in part.query_batch(phashes, radius, self._own(part, sources)):
                yield self._renumbered(part, found)

    def _own(self, part: SimilarityIndex, sources: Collection[str] | None) -> Collection[str] | None:
        for name in sources or ():
            if name not in self.sources:
                raise UnknownSource(f"no shard holds a source named {name}")
        return None if sources is None else [name for name in part.sources if name in sources]

    def _renumbered(self, part: SimilarityIndex, found: Found) -> Found:
        """With our numbers of sources instead of the part's."""
        ours = np.array([self.sources.index(name) for name in part.sources], dtype=np.int32)
        return replace(found, sources=ours[found.sources]) if len(found) else found
