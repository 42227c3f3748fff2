"""How far a build has come: `building.json`, replaced in one step whenever more of it is durable."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from demur.files import atomic_write
from demur.similarity.tables.header import FORMAT, VERSION

STATE = "building.json"


@dataclass(frozen=True)
class State:
    """`table` is being made of `1 << bits` partitions. `sizes` are their rows once all are spilled; the first `merged` are in the table."""

    rows: int
    bits: int
    table: int = 0
    sizes: tuple[int, ...] | None = None
    merged: int = 0

    @classmethod
    def resumed(cls, directory: Path, rows: int, bits: int) -> "State":
        """Where the build of so many rows was left, or the beginning if what was left is another's."""
        try:
            content = json.loads((directory / STATE).read_bytes())
            left = cls(content["rows"], content["bits"], content["table"], _tuple(content["sizes"]), content["merged"])
        except (OSError, ValueError, KeyError, TypeError):
            return cls(rows, bits)
        ours = (content.get("format"), content.get("version"), left.rows, left.bits) == (FORMAT, VERSION, rows, bits)
        return left if ours else cls(rows, bits)

    @property
    def entries(self) -> int:
        """How many entries of all tables are finished."""
        return self.table * self.rows + sum((self.sizes or ())[: self.merged])

    def spilled(self, sizes: list[int]) -> "State":
        return replace(self, sizes=tuple(sizes))

    def up_to(self, merged: int) -> "State":
        return replace(self, merged=merged)

    def next_table(self) -> "State":
        return State(self.rows, self.bits, self.table + 1)

    def write(self, directory: Path) -> None:
        """Durable once it returns. Raises OSError."""
        atomic_write(directory / STATE, json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}).encode())


def _tuple(sizes: list[int] | None) -> tuple[int, ...] | None:
    return None if sizes is None else tuple(sizes)
