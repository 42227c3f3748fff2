"""Changing a similarity index: one writer at a time, and readers that never notice.

Crash order of every change: new files, then the directory that names them, then index.json in one step, and only then are files removed
that it no longer speaks of. So a crash leaves the old generation or the new one, whole, and at worst files that belong to neither; the
next writer removes those, or goes on with a segment that it was about to build itself.
"""

import fcntl
import hashlib
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from demur.digests import canonical_json
from demur.files import atomic_write, sync
from demur.similarity.index.delta import U32, Delta, write_table
from demur.similarity.index.generation import Generation, Source, Table, described, described_path
from demur.similarity.index.live import Live
from demur.similarity.segment import Segment
from demur.similarity.tables.errors import IndexTooLarge, NoSpace, NotAnIndex, SegmentError, disk_may_be_full
from demur.similarity.tables.layout import U64

LOCK = "writer.lock"
DELTA_ROWS = 1 << 16
"""Rows that are held in memory and scanned, at most; more become a segment. A scan of so many costs a query as much as a few tables do."""

Progress = Callable[[int, int], None]
Batches = Callable[[], Iterator[tuple[U64, U32]]]


@dataclass(frozen=True)
class SourceRows:
    """What a source brings: the phash and the position of each row that can match at all, anew at each call of `batches`.

    `rows` is the length of the whole source: positions are below it. Of a part of a source, positions are counted from the part's `first`.
    `identity`, if given, is equal only for equal content: a build that was cut short is then gone on with.
    """

    source: str
    rows: int
    batches: Batches
    identity: str = ""
    first: int = 0

    def placed(self, start: int) -> Source:
        """The source with row numbers from `start` on."""
        return Source(self.source, start, self.rows, self.first)


class PositionsOutside(SegmentError, ValueError):
    """A source has no row of this position."""


@contextmanager
def writing(path: Path) -> Iterator["Writer"]:
    """The one writer of an existing index; waits for another one to end. Raises NotAnIndex, TornIndex, OSError."""
    described(path)
    with _locked(path):
        writer = Writer(path, Generation.decoded(described(path), described_path(path)))
        with writer.cleaning():
            yield writer


@contextmanager
def founding(path: Path) -> Iterator["Writer"]:
    """A writer that makes a directory an index, whatever state the index is in that it may hold. Raises NotAnIndex, OSError."""
    path.mkdir(parents=True, exist_ok=True)
    if not (path / LOCK).exists() and any(path.iterdir()):
        raise NotAnIndex(f"{path} holds other files; choose an empty place for the index.")
    with _locked(path):
        writer = Writer(path, _newest(path) or Generation())
        with writer.cleaning():
            yield writer


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with (path / LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _newest(path: Path) -> Generation | None:
    """What index.json says, an empty generation where there is none, or None where it cannot be read."""
    try:
        return Generation.decoded(described(path), described_path(path))
    except SegmentError:
        return None if described_path(path).exists() else Generation()


class Writer:
    """Makes generations, each from the one before. Methods raise IndexTooLarge, NoSpace, OSError."""

    def __init__(self, path: Path, generation: Generation) -> None:
        self._path, self._generation = path, generation

    def put(self, added: SourceRows, progress: Progress | None) -> None:
        """Adds a source, or replaces the one of its name."""
        others = self._with_room(self._generation.without_source(added.source), added.rows, progress)
        source = added.placed(others.room(added.rows))
        self._write(others.with_source(source), [(source, added)], progress)

    def put_alone(self, wanted: Sequence[SourceRows], progress: Progress | None) -> None:
        """Makes a generation of these sources and no others."""
        new, placed = Generation(), []
        for added in wanted:
            source = added.placed(new.room(added.rows))
            new = new.with_source(source)
            placed.append((source, added))
        self._write(new, placed, progress)

    def _with_room(self, generation: Generation, rows: int, progress: Progress | None) -> Generation:
        """The generation, compacted first where only numbers of removed sources leave no room for so many rows more."""
        try:
            generation.room(rows)
        except IndexTooLarge:
            replace(generation, removed=()).room(rows)
            return self._compacted(generation, progress)
        return generation

    def _write(self, new: Generation, placed: Sequence[tuple[Source, SourceRows]], progress: Progress | None) -> None:
        parts = [[added.identity, source.name, source.start, source.rows, source.first] for source, added in placed]
        identity = canonical_json(parts).decode() if all(added.identity for _, added in placed) else ""
        batches = partial(_numbered, placed)
        self._commit(self._with_table(new, _counted(batches), batches, identity, progress))

    def drop(self, name: str) -> None:
        """Removes a source. Raises UnknownSource."""
        self._generation.find(name)
        self._commit(self._generation.without_source(name))

    def bury(self, name: str, positions: npt.NDArray[np.int64]) -> None:
        """Removes single rows of a source. Raises UnknownSource, PositionsOutside."""
        source = self._generation.find(name)
        gone = (_within(source, positions - source.first) + source.start).astype("<u4")
        stones = np.union1d(gone, Live.of(self._path, self._generation).tombstones).astype("<u4")
        table = write_table(self._path / self._name("tombstones", ""), stones.tobytes(), len(stones))
        self._commit(replace(self._generation, tombstones=table))

    def tidy(self, progress: Progress | None) -> None:
        """Merges tables until few are left: each segment is then more than twice as large as the next newer one."""
        while group := self._generation.mergeable(DELTA_ROWS):
            self._commit(self._merged(self._generation, group, progress))

    def compact(self, progress: Progress | None) -> None:
        """Merges all tables into one without the rows that are gone, whose numbers become free. Other rows keep their numbers."""
        if not self._generation.compacted:
            self._commit(self._compacted(self._generation, progress))

    def _compacted(self, old: Generation, progress: Progress | None) -> Generation:
        return replace(self._merged(old, (*old.segments, *old.deltas), progress), removed=(), tombstones=None)

    def _merged(self, old: Generation, group: Sequence[Table], progress: Progress | None) -> Generation:
        """The generation with the live rows of these tables in one new table."""
        left = replace(
            old,
            segments=tuple(table for table in old.segments if table not in group),
            deltas=tuple(table for table in old.deltas if table not in group),
        )
        live = Live.of(self._path, old)
        tables = [Segment.open(self._path / table.name) for table in old.segments if table in group]
        delta = Delta.open(self._path, tuple(table for table in old.deltas if table in group))
        identity = canonical_json([old.encoded().decode(), [table.name for table in group]]).decode()
        batches = partial(_living, (*tables, delta), live)
        rows = _counted(batches) if old.removed or old.tombstones else sum(table.rows for table in group)
        return self._with_table(left, rows, batches, identity, progress)

    def _with_table(self, generation: Generation, rows: int, batches: Batches, identity: str, progress: Progress | None) -> Generation:
        """The generation with these rows in a table of their own, whose files are written now."""
        if rows == 0:
            return generation
        if rows <= DELTA_ROWS:
            phashes, numbers = (np.concatenate(column) for column in zip(*batches(), strict=True))
            delta = Delta.of(phashes, numbers).write(self._path / self._name("delta", identity))
            return replace(generation, deltas=(*generation.deltas, delta))
        name = self._name("segment", identity)
        self._clean(keep={name, *generation.files})
        Segment.build(self._path / name, batches, rows, progress=progress)
        return replace(generation, segments=(*generation.segments, Table(name, rows)))

    def _name(self, kind: str, identity: str) -> str:
        """The same for the same step of the same writing, so that a segment cut short is met again; else never used before."""
        key = hashlib.sha256(identity.encode()).hexdigest() if identity else secrets.token_hex(32)
        return f"{kind}-{self._generation.number + 1}-{key[:12]}"

    def _commit(self, generation: Generation) -> None:
        new = replace(generation, number=self._generation.number + 1)
        sync(self._path)
        atomic_write(described_path(self._path), new.encoded())
        self._generation = new

    @contextmanager
    def cleaning(self) -> Iterator[None]:
        """Removes what no generation needs afterwards. After Ctrl-C, a kill or a full disk, what was built stays to be gone on with."""
        try:
            with disk_may_be_full(self._path):
                yield
        except NoSpace:
            raise
        except Exception:
            self._clean()
            raise
        self._clean()

    def _clean(self, keep: Collection[str] = ()) -> None:
        """What index.json speaks of is read anew: a failure may have come after it was replaced. While it cannot be read, nobody knows
        what it needs, perhaps another version of this program."""
        newest = _newest(self._path)
        if newest is None:
            return
        needed = {*keep, *newest.files}
        for pattern in ("segment-*", "delta-*", "tombstones-*", ".*.part"):
            for left in self._path.glob(pattern):
                if left.name not in needed:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()


def _numbered(placed: Sequence[tuple[Source, SourceRows]]) -> Iterator[tuple[U64, U32]]:
    """The hashes of all sources, with row numbers instead of positions."""
    for source, added in placed:
        for phashes, positions in added.batches():
            yield phashes, _within(source, positions).astype(np.uint32) + np.uint32(source.start)


def _counted(batches: Batches) -> int:
    return sum(len(numbers) for _, numbers in batches())


def _within(source: Source, positions: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    positions = np.asarray(positions)
    if len(positions) and not 0 <= positions.min() <= positions.max() < source.rows:
        raise PositionsOutside(f"the source {source.name} has {source.rows:,} rows; there is no row {int(positions.max()):,}")
    return positions


def _living(tables: Sequence[Segment | Delta], live: Live) -> Iterator[tuple[U64, U32]]:
    for table in tables:
        for phashes, rows in table.scan():
            kept = live.places(rows) >= 0
            yield phashes[kept], rows[kept]
