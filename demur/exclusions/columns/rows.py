"""The key columns of some rows, each read when it is first compared."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demur.exclusions.columns.kinds import KEY_COLUMNS
from demur.exclusions.columns.names import NO_NAMES, Found, Names, key_columns, refuse_doubled
from demur.exclusions.columns.reading import Fault, NoKeyColumn, Reading

Cells: TypeAlias = pa.Array | pa.ChunkedArray | list[object]
Mask: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class KeyedRows:
    """Rows as a list is compared with them.

    Attributes:
        columns: our name → what gives the manifest's columns for it, best first.
        unread: names of key columns that the rows have besides, but with which no entry of the list is compared.
        named: whether the rows' names are compared elsewhere, so that one without any key here is no fault.
        settled: those of `columns` in which an empty cell says that the row has no such key, so that a comparison with it was one.
    """

    rows: int
    columns: Mapping[str, Sequence[Callable[[], Cells]]]
    unread: Collection[str] = ()
    named: bool = False
    settled: Collection[str] = ()
    _readings: dict[str, Reading] = field(default_factory=dict, compare=False)
    _lacking: dict[str, Mask | None] = field(default_factory=dict, compare=False)

    @classmethod
    def of_table(cls, table: pa.Table) -> Self:
        """Of columns that have our names. Raises NoKeyColumn, BadKeyColumn."""
        named = [name for name in KEY_COLUMNS if name in table.column_names]
        refuse_doubled(named, [name for name in table.column_names if name in KEY_COLUMNS], "the table")
        return cls.of_columns(len(table), {name: (name,) for name in named}, table.column)

    @classmethod
    def of_catalogue(cls, table: pa.Table) -> Self:
        """Of rows of a catalogue. One that names no owner there is nobody's, and one without an address has none: the import read whatever
        there was. What it lacks of a picture's digests, nobody knows. Raises NoKeyColumn, BadKeyColumn."""
        return replace(cls.of_table(table), settled=("owner", "url"))

    @classmethod
    def of_columns(cls, rows: int, found: Found, column: Callable[[str], Cells], unread: Collection[str] = ()) -> Self:
        """Of columns by the manifest's names; `column` is asked for those that are compared, once each."""
        return cls(rows, {ours: [_cells(column, name) for name in theirs] for ours, theirs in found.items()}, unread)

    @classmethod
    def of_records(cls, records: Sequence[Mapping[str, object]], where: str, given: Names = NO_NAMES, *, named: bool = False) -> Self:
        """Of objects; what is missing in one is null. Raises NoKeyColumn, BadKeyColumn."""
        found = key_columns(dict.fromkeys(name for record in records for name in record), where, given)
        return replace(cls.of_columns(len(records), found, lambda name: [record.get(name) for record in records]), named=named)

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def refuse_keyless(self) -> None:
        """Raises NoKeyColumn when no entry could be compared with any column."""
        if not {"uid", "sha256", "url", "owner", "phash"} & {*self.columns, *self.unread}:
            raise NoKeyColumn("no list can exclude anything from a table without a column uid, sha256, url, owner or phash")

    def reading(self, name: str) -> Reading:
        """The values of one of `columns`: each row's first one in the order of the manifest's columns for it. Raises BadKeyColumn."""
        if name not in self._readings:
            first, *others = self.columns[name]
            reading = _read(name, first())
            for other in others:
                lacking = _lacks(reading)
                if lacking is None or not lacking.any():
                    break
                reading = _completed(reading, lacking, _read(name, other()))
            self._readings[name] = reading
        return self._readings[name]

    def faults(self, compared: Collection[str]) -> tuple[Fault, ...]:
        """The rows that cannot be compared by these of `columns`. Raises BadKeyColumn."""
        if not compared:
            return ()
        misspelled = [fault for name in compared for fault in self.reading(name).faults]
        return tuple(misspelled) if self.named else (*misspelled, *self._without_uid(compared))

    def _without_uid(self, compared: Collection[str]) -> tuple[Fault, ...]:
        """In a table that has uids, every row has one."""
        if "uid" not in self.columns or "uid" not in compared:
            return ()
        lacking = self.lacking(("uid",))
        if lacking is None or not lacking.any():
            return ()
        return (Fault("no uid", np.flatnonzero(lacking), {}),)

    def lacking(self, names: Collection[str]) -> Mask | None:
        """(n,) The rows without a value in one of these of `columns`, which are compared together; None: no row. Raises BadKeyColumn."""
        found = [lacks for name in names if (lacks := self._lacks(name)) is not None]
        return None if not found else found[0] if len(found) == 1 else np.logical_or.reduce(found)

    def _lacks(self, name: str) -> Mask | None:
        if name not in self._lacking:
            self._lacking[name] = _lacks(self.reading(name))
        return self._lacking[name]

    def uncompared(self, together: Sequence[Collection[str]]) -> Mask | None:
        """(n,) The rows that nothing is compared in: of all these groups of `columns`, they lack one; None: no row. Raises BadKeyColumn."""
        lacking = np.ones(self.rows, dtype=np.bool_)
        for names in together:
            lacks = None if {*names} <= {*self.settled} else self.lacking(names)
            if lacks is None:
                return None
            lacking &= lacks
        return lacking


def _cells(column: Callable[[str], Cells], name: str) -> Callable[[], Cells]:
    return lambda: column(name)


def _read(name: str, cells: Cells) -> Reading:
    return KEY_COLUMNS[name].read_values(cells) if isinstance(cells, list) else KEY_COLUMNS[name].read(cells)


def _lacks(reading: Reading) -> Mask | None:
    """(n,) Where a row has no value, not even one that cannot be read; None: nowhere."""
    if reading.values.null_count == 0:
        return None
    return reading.values.is_null().to_numpy(zero_copy_only=False) & ~reading.unreadable


def _completed(reading: Reading, lacking: Mask, other: Reading) -> Reading:
    """`reading` with the other's values and faults in rows that lack one."""
    common = pa.large_string() if reading.values.type != other.values.type else reading.values.type
    values = pc.if_else(pa.array(lacking), other.values.cast(common), reading.values.cast(common))
    later = [replace(fault, positions=fault.positions[lacking[fault.positions]]) for fault in other.faults]
    return Reading(values, (*reading.faults, *(fault for fault in later if len(fault.positions))))
