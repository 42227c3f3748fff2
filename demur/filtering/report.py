"""What a filter run counts, and how it fails."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from demur.errors import DemurError
from demur.exclusions.entries import KeyKind
from demur.exclusions.matching import Judgement

Progress = Callable[[int, int], None]
"""Called with how much is done and how much there is, in one unit throughout a file (rows or bytes)."""


class UnreadableManifest(DemurError):
    """The manifest is damaged, cut short, or not what its name says."""


@dataclass
class FilterReport:
    """Rows read and kept, rows dropped by kind of key, and what could not be checked. Filled in while filtering."""

    rows: int = 0
    kept: int = 0
    dropped: Counter[KeyKind] = field(default_factory=Counter)
    unchecked_pictures: int = 0  # pictures that cannot be decoded: checked by their keys and digest only
    _not_applied: set[KeyKind] | None = None

    @property
    def not_applied(self) -> list[KeyKind]:
        """Kinds of which the list has entries, while no part of the manifest has columns for them."""
        return sorted(self._not_applied or ())

    def add(self, judgement: Judgement) -> pa.BooleanArray:
        """Counts a judged batch, and returns its mask."""
        self.rows += len(judgement.keep)
        self.kept += judgement.keep.true_count
        self.dropped.update(judgement.dropped)
        missing = set(judgement.not_applied)
        self._not_applied = missing if self._not_applied is None else self._not_applied & missing
        return judgement.keep
