"""What changes from one version to another, as columns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from demur.errors import DemurError
from demur.exclusions import ordering
from demur.exclusions.entries import Change, ChangeOp
from demur.exclusions.parquet import DELTA_SCHEMA, OPS, read_rows, write_rows
from demur.exclusions.table import EntryTable

_ADD = OPS.index(ChangeOp.ADD)


class Misfit(DemurError, ValueError):
    """A delta adds what is there already, or removes what is not."""


@dataclass(frozen=True, eq=False)
class Delta:
    """Entries that change, in canonical order, each once. adds: (n,) bool: the entry is added, else removed."""

    entries: EntryTable
    adds: NDArray[np.bool_]

    @classmethod
    def of(cls, changes: Iterable[Change]) -> Self:
        """Raises Misfit when an entry is both added and removed, BadEntry when a key is no Unicode text."""
        listed = list(changes)
        added = EntryTable.of(change.entry for change in listed if change.op is ChangeOp.ADD)
        removed = EntryTable.of(change.entry for change in listed if change.op is ChangeOp.REMOVE)
        return cls.adding(added).merged(cls.removing(removed))

    @classmethod
    def adding(cls, entries: EntryTable) -> Self:
        return cls(entries, np.ones(len(entries), dtype=np.bool_))

    @classmethod
    def removing(cls, entries: EntryTable) -> Self:
        return cls(entries, np.zeros(len(entries), dtype=np.bool_))

    @classmethod
    def between(cls, before: EntryTable, after: EntryTable) -> Self:
        """What leads from one table to another."""
        kept, stayed = before.shared(after)
        return cls.adding(after.where(~stayed)).merged(cls.removing(before.where(~kept)))

    @classmethod
    def read(cls, file: BinaryIO, most: int | None = None, most_bytes: int | None = None) -> Self:
        """A delta's Parquet file of at most so many rows, in texts of at most so many bytes.

        Raises pa.ArrowException (not Parquet, other columns), TooMany, TooLarge, UnknownWord, BadEntry, BadOrder."""
        rows = read_rows(file, DELTA_SCHEMA, most, most_bytes)
        return cls(EntryTable.from_rows(rows), np.frombuffer(rows.ops, dtype=np.int8) == _ADD)

    def parquet(self) -> bytes:
        """Parquet bytes of the delta."""
        ops = np.where(self.adds, _ADD, OPS.index(ChangeOp.REMOVE)).astype(np.int8)
        return write_rows(ops, self.entries.kinds, *ordering.text_buffers(self.entries.keys), self.entries.pdqs)

    def merged(self, other: Self) -> Self:
        """Both deltas' changes as one. Raises Misfit when an entry is in both."""
        positions, found = self.entries.places(other.entries)
        if found.any():
            raise Misfit("an entry is changed twice")
        entries = self.entries.changed(other.entries, np.ones(len(other.entries), dtype=np.bool_), positions)
        return type(self)(entries, np.insert(self.adds, positions, other.adds))

    def then(self, later: Self) -> Self:
        """This delta and the one that follows on it, as one: what is added and then removed is nothing, and the other way round.

        Raises Misfit when the later one adds what this one added, or removes what it removed.
        """
        mine, theirs = self.entries.shared(later.entries)
        if (self.adds[mine] == later.adds[theirs]).any():
            raise Misfit("two deltas in a row change an entry in the same way")
        return self._where(~mine).merged(later._where(~theirs))

    def applied(self, before: EntryTable) -> EntryTable:
        """The table after this delta. Raises Misfit."""
        positions, found = before.places(self.entries)
        if not np.array_equal(found, ~self.adds):
            raise Misfit("an entry to add is there already, or one to remove is not")
        return before.changed(self.entries, self.adds, positions) if self else before

    def _where(self, wanted: NDArray[np.bool_]) -> Self:
        return type(self)(self.entries.where(wanted), self.adds[wanted])

    @property
    def added(self) -> int:
        """How many entries it adds."""
        return int(self.adds.sum())

    @property
    def removed(self) -> int:
        """How many entries it removes."""
        return len(self.adds) - self.added

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Delta) and self.entries == other.entries and np.array_equal(self.adds, other.adds)

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.adds)

    def __iter__(self) -> Iterator[Change]:
        for entry, adds in zip(self.entries, self.adds, strict=True):
            yield Change(ChangeOp.ADD if adds else ChangeOp.REMOVE, entry)
