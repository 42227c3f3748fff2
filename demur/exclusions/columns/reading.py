"""What reading a key column gives: values in one form, and the rows whose value has no known spelling."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demur.errors import DemurError

SHOWN = 20
"""Examples that are kept of each fault."""


class NoKeyColumn(DemurError):
    """The table has no column by which a list could exclude anything."""


class BadKeyColumn(DemurError):
    """A column that entries speak about cannot be compared with them: its type, or what all its values are."""


class Misspelled(ValueError):
    """A value is in none of the spellings of its kind. Its text is a short reason, the same for all such values."""


@dataclass(frozen=True)
class Fault:
    """Rows that cannot be compared for one reason."""

    reason: str
    positions: NDArray[np.int64]  # ascending
    examples: Mapping[int, str]  # what stands in the first of these rows, by position

    def moved(self, to: NDArray[np.integer[Any]]) -> "Fault":
        """The fault of the rows that these become; several may become one."""
        examples = {int(to[position]): example for position, example in reversed(list(self.examples.items()))}
        return Fault(self.reason, np.unique(to[self.positions]).astype(np.int64), examples)


@dataclass(frozen=True)
class Reading:
    """A key column's values in their canonical form, null where a row has none or where it cannot be read, which `faults` says."""

    values: pa.Array
    faults: tuple[Fault, ...] = ()

    @property
    def unreadable(self) -> NDArray[np.bool_]:
        """(n,) The rows with a fault."""
        mask = np.zeros(len(self.values), dtype=np.bool_)
        for fault in self.faults:
            mask[fault.positions] = True
        return mask


def faults_of(reasons: Mapping[int, tuple[str, str]]) -> tuple[Fault, ...]:
    """Of position → (reason, example, or "")."""
    by_reason: dict[str, list[int]] = {}
    for position, (reason, _) in sorted(reasons.items()):
        by_reason.setdefault(reason, []).append(position)
    return tuple(
        Fault(
            reason,
            np.array(positions, dtype=np.int64),
            {position: reasons[position][1] for position in positions[:SHOWN] if reasons[position][1]},
        )
        for reason, positions in by_reason.items()
    )
