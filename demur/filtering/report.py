"""What a filter run counts, and how it fails."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from demur.errors import DemurError, Refused
from demur.exclusions.entries import KeyKind
from demur.exclusions.matching import Judgement
from demur.printing import printable

Progress = Callable[[int, int], None]
"""Called with how much is done and how much there is, in one unit throughout a file (rows or bytes)."""

EXAMPLES = 5
"""Examples kept of each reason."""
_EXAMPLE_CHARACTERS = 160


class UnreadableManifest(DemurError):
    """The manifest is damaged, cut short, or not what its name says."""


class UnreadableRows(Refused):
    """More rows than allowed could not be compared with the list, so nobody knows whether it excludes them."""


@dataclass
class Unreadable:
    """Rows that could not be compared for one reason: how many, and a few examples without control characters."""

    rows: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class FilterReport:
    """Rows read and kept, rows dropped by kind of key, and what could not be checked. Filled in while filtering.

    A row counts once: it is kept, dropped, or unreadable. `allow_unreadable`: how many rows may be unreadable; they are never kept.
    """

    rows: int = 0
    kept: int = 0
    dropped: Counter[KeyKind] = field(default_factory=Counter)
    allow_unreadable: int = 0
    _unreadable: dict[str, Unreadable] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    """What was met besides, and how often, such as samples with several pictures: nothing was left out for it."""
    _not_applied: set[KeyKind] | None = None
    _without_columns: set[KeyKind] | None = None  # the same, of no rows at all
    _where: str = ""
    _rows_before: int = 0

    @property
    def not_applied(self) -> list[KeyKind]:
        """Kinds of which the list has entries, while no part of the manifest has columns for them, or none with a value."""
        return sorted((self._without_columns if self._not_applied is None else self._not_applied) or ())

    @property
    def unreadable(self) -> Mapping[str, Unreadable]:
        """Rows that could not be compared with the list, by reason."""
        return self._unreadable

    @property
    def unreadable_rows(self) -> int:
        """Rows that could not be compared with the list, for whatever reason."""
        return sum(each.rows for each in self._unreadable.values())

    @property
    def left_out(self) -> dict[str, int]:
        """Rows that were not kept, by kind of key, and as `unreadable` those that could not be compared: `dropped` of a run record."""
        counted = {kind.value: rows for kind, rows in sorted(self.dropped.items())}
        return counted | ({"unreadable": self.unreadable_rows} if self.unreadable_rows else {})

    def begin(self, where: str) -> None:
        """From here on rows are those of this file, by which examples name them."""
        self._where, self._rows_before = f"{where}, ", self.rows

    def add(self, judgement: Judgement) -> pa.BooleanArray:
        """Counts a judged batch, and returns its mask."""
        self.count(judgement)
        return judgement.keep

    def count(self, judgement: Judgement) -> None:
        first = self.rows - self._rows_before + 1
        for fault in judgement.unreadable:
            examples = [f"{self._where}row {first + position}: {shown}" for position, shown in fault.examples.items()]
            self._count(fault.reason, examples or [f"{self._where}row {first + int(fault.positions[0])}"], len(fault.positions))
        self.rows += len(judgement.kept)
        self.kept += int(np.count_nonzero(judgement.kept))
        self.dropped.update(judgement.dropped)
        if len(judgement.kept):
            self._not_applied = _both(self._not_applied, judgement.idle)
        else:
            self._without_columns = _both(self._without_columns, judgement.idle)

    def add_unreadable(self, reason: str, example: str, count: int = 1) -> None:
        """Counts rows that could not be read, so that they are part of no judged batch and must not be kept.

        `reason` is a short phrase that is the same for all such rows; `example` says where one is and what it holds.
        """
        self.rows += count
        self._count(reason, [example], count)

    def note(self, what: str, count: int = 1) -> None:
        """Counts what was met; `what` is a plural noun."""
        if count:
            self.notes[what] += count

    def refuse_unreadable(self, *, more_to_come: bool = False) -> None:
        """To be called before the copy is put in place, or, with `more_to_come`, before rows are handed on.

        Raises UnreadableRows when more rows are unreadable than are allowed, or when in the end all are.
        """
        number = self.unreadable_rows
        if number > self.allow_unreadable or (number and number == self.rows and not more_to_come):
            reasons = "; ".join(f"{reason}: {each.rows:,} ({each.examples[0]})" for reason, each in sorted(self._unreadable.items()))
            raise UnreadableRows(
                f"{number:,} of {self.rows:,} rows cannot be compared with the list, and {self.allow_unreadable:,} are allowed: {reasons}"
            )

    def _count(self, reason: str, examples: Sequence[str], rows: int) -> None:
        counted = self._unreadable.setdefault(reason, Unreadable())
        counted.rows += rows
        counted.examples += [printable(example, _EXAMPLE_CHARACTERS) for example in examples[: max(0, EXAMPLES - len(counted.examples))]]


def _both(kinds: set[KeyKind] | None, others: Collection[KeyKind]) -> set[KeyKind]:
    return set(others) if kinds is None else kinds & set(others)
