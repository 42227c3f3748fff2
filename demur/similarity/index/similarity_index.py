"""An open similarity index: one generation of it, which never changes under its reader."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from demur.similarity.index.delta import Delta
from demur.similarity.index.generation import Generation, described, described_path
from demur.similarity.index.live import Found, Live, joined
from demur.similarity.index.writing import Batches, Progress, SourceRows, founding, writing
from demur.similarity.rules import PHASH_RADIUS
from demur.similarity.segment import MAX_RADIUS, Segment
from demur.similarity.tables.errors import RadiusTooLarge, SegmentError, TornIndex
from demur.similarity.tables.layout import U64


class SimilarityIndex:
    """One generation, open for reading: safe to share between threads, and good for as long as it is held, whatever writers do.

    What changes the index leaves this generation as it is and returns the new one. One writer works at a time, others wait. Exact: what is
    found is what a scan of every live row would find, for each radius from 0 to MAX_RADIUS.
    """

    def __init__(self, path: Path, description: bytes, held: dict[str, Segment]) -> None:
        """`description` is index.json; `held` are open segments by name. `open` and `refreshed` are the ways in."""
        self.path, self._description = path, description
        self._generation = Generation.decoded(description, described_path(path))
        self._segments = {table.name: held.get(table.name) or Segment.open(path / table.name) for table in self._generation.segments}
        self._delta = Delta.open(path, self._generation.deltas)
        self._live = Live.of(path, self._generation)
        for table in self._generation.segments:
            if self._segments[table.name].rows != table.rows:
                raise TornIndex(f"{path / table.name} does not have the {table.rows:,} rows that belong there. Build the index again.")

    @classmethod
    def create(cls, path: Path) -> "SimilarityIndex":
        """An index without sources in a new or empty directory; or the one that is there. Raises NotAnIndex, TornIndex, OSError."""
        if not described_path(path).exists():
            with founding(path) as writer:
                if not described_path(path).exists():
                    writer.put_alone((), None)
        return cls.open(path)

    @classmethod
    def build(cls, path: Path, wanted: Callable[[], Sequence[SourceRows]], progress: Progress | None = None) -> "SimilarityIndex":
        """Makes an index of exactly these sources, in one new generation: of a new directory, or of an index, though it be damaged.

        `wanted` is called when no other writer can change the index any more. Raises NotAnIndex, IndexTooLarge, NoSpace, OSError.
        """
        with founding(path) as writer:
            writer.put_alone(wanted(), progress)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> "SimilarityIndex":
        """The newest generation, in milliseconds. Raises NotAnIndex, TornIndex, OSError."""
        return cls._newest(path, {})

    @classmethod
    def _newest(cls, path: Path, held: dict[str, Segment]) -> "SimilarityIndex":
        while True:
            description = described(path)
            try:
                return cls(path, description, held)
            except (SegmentError, OSError) as error:
                if described(path) != description:
                    continue  # a writer replaced this generation, and removed its files while they were being opened
                if isinstance(error, FileNotFoundError):
                    raise TornIndex(f"{error.filename} is missing from the index. Build the index again.") from error
                raise

    def refreshed(self) -> "SimilarityIndex":
        """Itself, or the newer generation if there is one: a read of one small file. Raises NotAnIndex, TornIndex, OSError."""
        return self if described(self.path) == self._description else self._newest(self.path, self._segments)

    @property
    def generation(self) -> int:
        """Counts the changes."""
        return self._generation.number

    @property
    def sources(self) -> tuple[str, ...]:
        """Names, in the order of their row numbers."""
        return tuple(source.name for source in self._generation.sources)

    @property
    def described(self) -> Generation:
        """What index.json says."""
        return self._generation

    @property
    def rows(self) -> int:
        """How many hashes stand in it, those of removed rows too until they are compacted away."""
        return self._generation.hashes

    @property
    def bytes_on_disk(self) -> int:
        return sum(segment.bytes_on_disk for segment in self._segments.values()) + 12 * len(self._delta)

    def __len__(self) -> int:
        return self.rows

    def query(self, phashes: U64, radius: int = PHASH_RADIUS, sources: Collection[str] | None = None) -> Found:
        """All rows within `radius` bits of each of a few `phashes` (Q,), of all sources or of these, ordered by query, source, position.

        Raises UnknownSource, RadiusTooLarge.
        """
        _refuse_large(radius)
        wanted = self._wanted(sources)
        return joined([self._live.located(table.query(phashes, radius), wanted) for table in self._tables]).ordered()

    def query_batch(
        self, phashes: U64, radius: int = PHASH_RADIUS, sources: Collection[str] | None = None, progress: Progress | None = None
    ) -> Iterator[Found]:
        """The same for many phashes, in one sequential pass over each table and in bounded memory: blocks, in no particular order, which
        together hold each (query, row) once. `progress` is told how much of how much was read."""
        _refuse_large(radius)
        wanted, tables = self._wanted(sources), self._tables
        for number, table in enumerate(tables):
            for hits in table.join(phashes, radius, _part(progress, number, len(tables))):
                found = self._live.located(hits, wanted)
                if len(found):
                    yield found

    def add(self, source: str, batches: Batches, rows: int, *, identity: str = "", progress: Progress | None = None) -> "SimilarityIndex":
        """Adds a source, or replaces the one of this name, and returns the new generation. See SourceRows.

        Raises IndexTooLarge, NoSpace, PositionsOutside, TornIndex, OSError.
        """
        with writing(self.path) as writer:
            writer.put(SourceRows(source, rows, batches, identity), progress)
            writer.tidy(progress)
        return self.refreshed()

    def remove(self, source: str, positions: npt.NDArray[np.int64] | None = None) -> "SimilarityIndex":
        """Removes a source, or some of its rows, and returns the new generation.

        Raises UnknownSource, PositionsOutside, TornIndex, OSError.
        """
        with writing(self.path) as writer:
            if positions is None:
                writer.drop(source)
            else:
                writer.bury(source, positions)
        return self.refreshed()

    def compact(self, progress: Progress | None = None) -> "SimilarityIndex":
        """Merges all tables into one without the rows that are gone, and returns the new generation. Raises NoSpace, TornIndex, OSError."""
        with writing(self.path) as writer:
            writer.compact(progress)
        return self.refreshed()

    def verify(self, progress: Progress | None = None) -> None:
        """Reads every byte and compares the digests; `progress` is told how much of how much was read. Raises TornIndex, OSError."""
        for number, segment in enumerate(self._segments.values()):
            segment.verify(_part(progress, number, len(self._segments)))

    @property
    def _tables(self) -> Sequence[Segment | Delta]:
        return (*self._segments.values(), *([self._delta] if len(self._delta) else []))

    def _wanted(self, sources: Collection[str] | None) -> npt.NDArray[np.bool_] | None:
        if sources is None:
            return None
        wanted = np.zeros(len(self.sources), dtype=np.bool_)
        for name in sources:
            wanted[self._generation.sources.index(self._generation.find(name))] = True
        return wanted


def _refuse_large(radius: int) -> None:
    """A delta could be searched within any radius; but an index answers the same whether its rows stand in deltas or in segments."""
    if not 0 <= radius <= MAX_RADIUS:
        raise RadiusTooLarge(f"A radius of {radius} bits cannot be searched; 0 to {MAX_RADIUS} can.")


def _part(progress: Progress | None, number: int, count: int) -> Progress | None:
    """The progress of one of several tables as the progress of all, in thousandths of a table."""
    if progress is None:
        return None
    return lambda done, total: progress(1000 * number + 1000 * done // max(total, 1), 1000 * count)
