"""Which rows of a table an exclusion list's entries speak about."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demur.exclusions.columns import PERCEPTUAL_COLUMNS, TEXT_KINDS, BadKeyColumn, Fault, KeyedRows, folded, hyphenated, listed
from demur.exclusions.entries import Entry, KeyKind
from demur.exclusions.keytable import KeyTable
from demur.exclusions.near import NearTable
from demur.exclusions.numbers import NumberSet
from demur.exclusions.parquet import KINDS
from demur.exclusions.table import EntryTable
from demur.exclusions.texts import hex_words
from demur.similarity.rules import MIN_QUALITY, PDQ_CONFIRMED, PHASH_RADIUS

Keys = TypeVar("Keys", KeyTable, NumberSet)
IDENTIFIERS = (KeyKind.UID, KeyKind.OWNER)
"""Kinds of keys that are compared in one form, however they are spelled (demur.exclusions.columns.identifiers)."""

NOTHING_TO_COMPARE = "no value in any column that entries of the list are compared with"
"""Why a row is unreadable that has none of the keys by which the list excludes."""

WHY = {
    KeyKind.UID: "its uid is on the list",
    KeyKind.SHA256: "its file is, byte for byte, one that is on the list",
    KeyKind.URL: "its address is on the list",
    KeyKind.OWNER: "everything of its owner is on the list, now and later",
    KeyKind.PHASH: (
        f"it is a near duplicate of a picture on the list: their phash differs in at most {PHASH_RADIUS} bits, their PDQ in at most "
        f"{PDQ_CONFIRMED}, and its quality is at least {MIN_QUALITY}"
    ),
}
"""In plain words, why an entry of each kind excludes a row."""


@dataclass(frozen=True)
class Judgement:
    """What a list says about a table. A row is excluded, or nobody can say whether it is (`unreadable`), or it may be used (`keep`)."""

    kinds: NDArray[np.int8]  # (n,) position in KeyKind of what excludes the row, -1 = nothing does
    not_applied: tuple[KeyKind, ...]  # kinds of which the list has entries, but for which the table has no columns
    faults: tuple[Fault, ...] = ()  # rows with a key that cannot be compared, some of which other keys exclude
    uncompared: NDArray[np.bool_] | None = None  # (n,) rows without a value in any column that entries are compared with; None: no row
    without_value: tuple[KeyKind, ...] = ()  # kinds that have columns, in which none of the rows has a value

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """(n,)"""
        return self.kinds < 0 if not self._all_faults else (self.kinds < 0) & ~self._faulty

    @cached_property
    def keep(self) -> pa.BooleanArray:
        """(n,) `kept`, without nulls."""
        return pa.array(self.kept)

    @property
    def dropped(self) -> dict[KeyKind, int]:
        """Rows by the first kind that excludes them, in the order of `Matcher.ORDER`; kinds that exclude none are left out."""
        numbers = ((kind, np.count_nonzero(self.kinds == code)) for code, kind in enumerate(KINDS))
        return {kind: int(number) for kind, number in numbers if number}

    @property
    def unreadable(self) -> tuple[Fault, ...]:
        """The rows that nothing excludes and that must not be kept, each under its first fault."""
        counted, found = self.kinds >= 0, []
        for fault in self._all_faults:
            positions = fault.positions[~counted[fault.positions]]
            counted = counted | _marked(len(counted), positions)
            if len(positions):
                found.append(
                    Fault(
                        fault.reason, positions, {place: fault.examples[place] for place in positions.tolist() if place in fault.examples}
                    )
                )
        return tuple(found)

    def also(self, other: "Judgement") -> "Judgement":
        """The same rows judged once more by other keys: what either excludes is excluded."""
        kinds = np.where(self.kinds >= 0, self.kinds, other.kinds)
        not_applied = tuple(kind for kind in self.not_applied if kind in other.not_applied)
        idle = [kind for kind in self.idle if kind in other.idle and kind not in not_applied]
        both = None if self.uncompared is None or other.uncompared is None else self.uncompared & other.uncompared
        return Judgement(kinds, not_applied, self.faults + other.faults, both, tuple(idle))

    def grouped(self, group: NDArray[np.integer[Any]], groups: int) -> "Judgement":
        """Judged rows as one for each of several groups: what excludes any of its rows excludes it, and so do faults."""
        kinds = np.full(groups, -1, dtype=np.int8)
        np.maximum.at(kinds, group, self.kinds)
        uncompared = np.ones(groups, dtype=np.bool_)
        uncompared[group if self.uncompared is None else group[~self.uncompared]] = False
        return Judgement(kinds, self.not_applied, tuple(fault.moved(group) for fault in self.faults), uncompared, self.without_value)

    @property
    def idle(self) -> tuple[KeyKind, ...]:
        """Kinds of which the list has entries, with which no value of these rows is compared."""
        return (*self.not_applied, *self.without_value)

    @cached_property
    def _all_faults(self) -> tuple[Fault, ...]:
        if self.uncompared is None or not self.uncompared.any():
            return self.faults
        return (*self.faults, Fault(NOTHING_TO_COMPARE, np.flatnonzero(self.uncompared), {}))

    @property
    def _faulty(self) -> NDArray[np.bool_]:
        return np.logical_or.reduce([_marked(len(self.kinds), fault.positions) for fault in self._all_faults])


class Matcher:
    """A list's entries, ready to be compared with tables of any number of rows. Kinds are tried in the order of `ORDER`."""

    ORDER = (*TEXT_KINDS, KeyKind.PHASH)

    def __init__(self, entries: EntryTable) -> None:
        self._entries = entries
        self._listed = [kind for kind in self.ORDER if kind in entries.counts]
        self._keys: dict[tuple[KeyKind, type], Any] = {}
        self._hyphens: dict[KeyKind, bool] = {}
        self._near = self._near_table() if KeyKind.PHASH in entries.counts else None

    def _near_table(self) -> NearTable:
        return NearTable(hex_words(self._entries.keys_of(KeyKind.PHASH)), self._entries.pdqs.view("<u8"))

    def judge(self, table: pa.Table | KeyedRows) -> Judgement:
        """Raises NoKeyColumn, BadKeyColumn."""
        rows = table if isinstance(table, KeyedRows) else KeyedRows.of_table(table)
        rows.refuse_keyless()
        kinds, not_applied = np.full(rows.rows, -1, dtype=np.int8), []
        for kind in self._listed:
            excluded = self._excluded(kind, rows, kinds < 0)
            if excluded is None:
                not_applied.append(kind)
            else:
                np.copyto(kinds, KINDS.index(kind), where=excluded & (kinds < 0))
        together = {kind: _columns_of(kind) for kind in self._listed if kind not in not_applied}
        faults = rows.faults([name for names in together.values() for name in names])
        if not rows.rows or not self._listed:
            return Judgement(kinds, tuple(not_applied), faults)
        uncompared = rows.uncompared([*together.values()])
        without_value = tuple(kind for kind, names in together.items() if (lacking := rows.lacking(names)) is not None and lacking.all())
        return Judgement(kinds, tuple(not_applied), faults, uncompared, without_value)

    def explain(self, row: Mapping[str, Any] | KeyedRows) -> Entry | None:
        """The entry that excludes one row, or None; `WHY` says by which reason.

        Raises NoKeyColumn, BadKeyColumn, also when any of the values cannot be read.
        """
        rows = row if isinstance(row, KeyedRows) else _single(row)
        rows.refuse_keyless()
        for name in rows.columns:
            for fault in rows.reading(name).faults:
                raise BadKeyColumn(f"{fault.examples[0]} cannot be compared with the list: {fault.reason}")
        for kind in self._listed:
            found = self._find(kind, rows, np.ones(1, dtype=np.bool_))
            if found is not None and found[0] >= 0:
                return self._entries[self._entries.span(kind).start + int(found[0])]
        return None

    def _excluded(self, kind: KeyKind, rows: KeyedRows, undecided: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Which rows entries of this kind exclude; None when the table lacks the columns. Rows that are decided need not be looked at."""
        if kind is not KeyKind.PHASH and kind in rows:
            numbers = _numbers(rows.reading(kind).values)
            if numbers is not None:
                return self._keys_of(kind, NumberSet).has(numbers)
        found = self._find(kind, rows, undecided)
        return None if found is None else found >= 0

    def _find(self, kind: KeyKind, rows: KeyedRows, undecided: NDArray[np.bool_]) -> NDArray[np.integer[Any]] | None:
        """For each row the position among the entries of this kind of one that excludes it, or -1; else as `_excluded`."""
        if kind is KeyKind.PHASH:
            return self._find_near(rows, undecided)
        if kind not in rows:
            return None
        values = rows.reading(kind).values
        table = self._keys_of(kind, KeyTable)
        text = values.cast(pa.string()) if pa.types.is_integer(values.type) else values
        return table.find(folded(text, hyphens=self._hyphens[kind]) if kind in IDENTIFIERS else text)

    def _keys_of(self, kind: KeyKind, form: type[Keys]) -> Keys:
        """The keys of a kind, in a form that is made when the first column comes that needs it."""
        if (kind, form) not in self._keys:
            keys = listed(kind, self._entries.keys_of(kind))
            if kind in IDENTIFIERS:
                self._hyphens[kind] = hyphenated(keys)
                keys = folded(keys, hyphens=self._hyphens[kind])
            self._keys[kind, form] = form(keys)
        return self._keys[kind, form]

    def _find_near(self, rows: KeyedRows, undecided: NDArray[np.bool_]) -> NDArray[np.int32] | None:
        if self._near is None or any(name not in rows for name in PERCEPTUAL_COLUMNS):
            return None
        phash, pdq, quality = (rows.reading(name).values for name in PERCEPTUAL_COLUMNS)
        known = (phash.is_valid(), pdq.is_valid(), quality.is_valid())
        usable = undecided & np.logical_and.reduce([mask.to_numpy(zero_copy_only=False) for mask in known])
        words = _words(pdq)
        return self._near.find(phash.fill_null(0).to_numpy(), words, np.where(usable, quality.fill_null(0).to_numpy(), 0).astype(np.uint8))


def _single(row: Mapping[str, Any]) -> KeyedRows:
    names = (*(kind.value for kind in TEXT_KINDS), *PERCEPTUAL_COLUMNS)
    return KeyedRows.of_columns(1, {name: (name,) for name in names if name in row}, lambda name: [row[name]])


def _columns_of(kind: KeyKind) -> tuple[str, ...]:
    return PERCEPTUAL_COLUMNS if kind is KeyKind.PHASH else (kind.value,)


def _numbers(values: pa.Array) -> pa.Int64Array | None:
    """Whole numbers as int64; None for anything else."""
    if not pa.types.is_integer(values.type):
        return None
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:  # too large
        return None


def _words(pdq: pa.Array) -> NDArray[np.uint64]:
    """(n, 4) The hashes as words; whatever stands there where one is null."""
    data = pdq.buffers()[1]
    if data is None or len(pdq) == 0:
        return np.zeros((len(pdq), 4), dtype=np.uint64)
    return np.frombuffer(data, dtype="<u8", count=4 * len(pdq), offset=32 * pdq.offset).reshape(-1, 4)


def _marked(size: int, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
    mask = np.zeros(size, dtype=np.bool_)
    mask[positions] = True
    return mask
