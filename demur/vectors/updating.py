"""Makes a manifest's vectors for the newest version of the list: from those of the version before, or from nothing.

From the version before, only what the list added and removed since is looked up. A row that an added entry excludes is deleted. A row that
a removed entry excluded is judged again by the whole list, before it returns: another entry may exclude it, too.

Memory, however many rows there are: of an update, two bytes for each row that changes, and the largest shard's bitmap; of a beginning, two
bytes a row at most (demur.vectors.grouping), and the list.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from pathlib import Path

from pyroaring import BitMap

from demur.exclusions.entries import FileDigest
from demur.runs import ManifestReference
from demur.signing import SigningKey
from demur.vectors.bitmaps import decoded, encoded
from demur.vectors.finding import Progress, Rows
from demur.vectors.grouping import ShardRows, by_shard
from demur.vectors.head import VectorsHead
from demur.vectors.published import PublishedList
from demur.vectors.rules import open_places
from demur.vectors.tables import DELETIONS_SCHEMA, SHARDS_SCHEMA, Line, Table
from demur.vectors.writer import VectorsDirectory

Shards = Mapping[str, ShardRows]


@dataclass(frozen=True)
class Derivation:
    """What a manifest's vectors are derived from, and whose key signs them."""

    manifest: ManifestReference
    rows: Rows
    published: PublishedList
    key: SigningKey
    progress: Progress

    def update(self, directory: Path, *, afresh: bool = False) -> bool:
        """Brings the vectors in `directory` to this version of the list, and says whether they were not.

        ``afresh``: from nothing, in any case. Whoever reads meanwhile sees the old vectors or the new ones, whole.
        Raises ListRefused, PlaceTooFar, SegmentError, OSError.
        """
        with VectorsDirectory.locked(directory) as vectors:
            held = None if afresh else vectors.newest(self.published.history.keys)
            if held is not None and (held.manifest, held.list) == (self.manifest, self.published.version):
                return False
            vectors.publish(self._made(vectors, held), self.key)
            return True

    def _made(self, vectors: VectorsDirectory, held: VectorsHead | None) -> VectorsHead:
        if held is None or held.manifest != self.manifest or not vectors.holds(held.shards):
            return self._begun(vectors, self._shards(vectors))
        advanced = self._advanced(vectors, held) if vectors.holds(held.deletions) else None
        return advanced or self._begun(vectors, held.shards)

    def _shards(self, vectors: VectorsDirectory) -> FileDigest:
        everything = by_shard(self.rows.catalogue, BitMap(range(self.manifest.rows)), self.progress)
        return vectors.write(SHARDS_SCHEMA, _lines(everything, lambda shard: shard.rows))[0]

    def _begun(self, vectors: VectorsDirectory, shards: FileDigest) -> VectorsHead:
        excluded = self.rows.excluded(self.published.entries, self.progress)
        deleted = by_shard(self.rows.catalogue, excluded, self.progress)
        deletions, total = vectors.write(DELETIONS_SCHEMA, _lines(deleted, lambda shard: len(shard.places)))
        return VectorsHead(self.manifest, self.published.version, total, shards, deletions)

    def _advanced(self, vectors: VectorsDirectory, before: VectorsHead) -> VectorsHead | None:
        """What follows on `before`; None where that cannot be told."""
        changes = self.published.changes_since(before.list)
        if changes is None:
            return None
        added = self.rows.excluded(changes.entries.where(changes.adds), self.progress)
        freed = self._freed(self.rows.excluded(changes.entries.where(~changes.adds), self.progress))
        returning = by_shard(self.rows.catalogue, freed, self.progress)
        if self._share_places(vectors.table(before.shards, SHARDS_SCHEMA), returning):
            return None
        leaving = by_shard(self.rows.catalogue, added, self.progress)
        lines = _changed(vectors.table(before.deletions, DELETIONS_SCHEMA), leaving, returning)
        deletions, total = vectors.write(DELETIONS_SCHEMA, lines)
        return VectorsHead(self.manifest, self.published.version, total, before.shards, deletions)

    def _freed(self, suspects: BitMap) -> BitMap:
        return suspects - self.rows.judged(suspects, self.published.matcher.judge) if suspects else suspects

    @staticmethod
    def _share_places(shards: Table, returning: Shards) -> bool:
        """Whether in one of these shards two rows stand in one place: then a row may not return that another one keeps out."""
        return any(len(open_places(shards, shard)) < shards.number(shard) for shard in returning)


def _lines(shards: Shards, number: Callable[[ShardRows], int]) -> Iterator[Line]:
    for name in sorted(shards):
        yield Line(name, number(shards[name]), encoded(shards[name].places))


def _changed(before: Table, leaving: Shards, returning: Shards) -> Iterator[Line]:
    """The lines of `before` with places more and less; what does not change is copied as it is."""
    touched = {*leaving, *returning}
    known = set(before.shards)
    new = (Line(shard, 0, encoded(BitMap())) for shard in sorted(touched - known))
    for line in merge(before.lines(), new, key=lambda line: line.shard):
        if line.shard not in touched:
            yield line
            continue
        places = BitMap(decoded(line.places)) | _places(leaving, line.shard)
        places -= _places(returning, line.shard)
        if places:
            yield Line(line.shard, len(places), encoded(places))


def _places(shards: Shards, shard: str) -> BitMap:
    return shards[shard].places if shard in shards else BitMap()
