"""Which rows of a table an exclusion list's entries speak about."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demur.exclusions.entries import Entry, KeyKind
from demur.exclusions.keycolumns import (
    PERCEPTUAL_COLUMNS,
    TEXT_KINDS,
    BadKeyColumn,
    NoKeyColumn,
    number_column,
    perceptual_columns,
    text_column,
)
from demur.exclusions.keytable import KeyTable
from demur.exclusions.near import NearTable
from demur.exclusions.numbers import NumberSet
from demur.exclusions.parquet import KINDS
from demur.exclusions.table import EntryTable
from demur.exclusions.texts import hex_words
from demur.similarity.rules import MIN_QUALITY, PDQ_CONFIRMED, PHASH_RADIUS

Keys = TypeVar("Keys", KeyTable, NumberSet)

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
    """What a list says about a table."""

    kinds: NDArray[np.int8]  # (n,) position in KeyKind of what excludes the row, -1 = nothing does
    not_applied: tuple[KeyKind, ...]  # kinds of which the list has entries, but for which the table has no columns

    @cached_property
    def keep(self) -> pa.BooleanArray:
        """(n,) without nulls, True = keep."""
        return pa.array(self.kinds < 0)

    @property
    def dropped(self) -> dict[KeyKind, int]:
        """Rows by the first kind that excludes them, in the order of `Matcher.ORDER`; kinds that exclude none are left out."""
        numbers = ((kind, np.count_nonzero(self.kinds == code)) for code, kind in enumerate(KINDS))
        return {kind: int(number) for kind, number in numbers if number}


class Matcher:
    """A list's entries, ready to be compared with tables of any number of rows. Kinds are tried in the order of `ORDER`."""

    ORDER = (*TEXT_KINDS, KeyKind.PHASH)

    def __init__(self, entries: EntryTable) -> None:
        self._entries = entries
        self._listed = [kind for kind in self.ORDER if kind in entries.counts]
        self._keys: dict[tuple[KeyKind, type], Any] = {}
        self._near = self._near_table() if KeyKind.PHASH in entries.counts else None

    def _near_table(self) -> NearTable:
        return NearTable(hex_words(self._entries.keys_of(KeyKind.PHASH)), self._entries.pdqs.view("<u8"))

    def judge(self, table: pa.Table) -> Judgement:
        """Raises NoKeyColumn, BadKeyColumn."""
        _refuse_keyless(table)
        kinds, not_applied = np.full(len(table), -1, dtype=np.int8), []
        for kind in self._listed:
            excluded = self._excluded(kind, table, kinds < 0)
            if excluded is None:
                not_applied.append(kind)
            else:
                np.copyto(kinds, KINDS.index(kind), where=excluded & (kinds < 0))
        return Judgement(kinds, tuple(not_applied))

    def explain(self, row: Mapping[str, Any]) -> Entry | None:
        """The entry that excludes one row, or None; `WHY` says by which reason. Raises NoKeyColumn, BadKeyColumn."""
        names = (*(kind.value for kind in TEXT_KINDS), *PERCEPTUAL_COLUMNS)
        table = pa.table({name: _single(name, row[name]) for name in names if name in row})
        _refuse_keyless(table)
        for kind in self._listed:
            found = self._find(kind, table, np.ones(1, dtype=np.bool_))
            if found is not None and found[0] >= 0:
                return self._entries[self._entries.span(kind).start + int(found[0])]
        return None

    def _excluded(self, kind: KeyKind, table: pa.Table, undecided: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Which rows entries of this kind exclude; None when the table lacks the columns. Rows that are decided need not be looked at."""
        numbers = number_column(table, kind)
        if numbers is not None:
            return self._keys_of(kind, NumberSet).has(numbers)
        found = self._find(kind, table, undecided)
        return None if found is None else found >= 0

    def _find(self, kind: KeyKind, table: pa.Table, undecided: NDArray[np.bool_]) -> NDArray[np.integer[Any]] | None:
        """For each row the position among the entries of this kind of one that excludes it, or -1; else as `_excluded`."""
        if kind is KeyKind.PHASH:
            return self._find_near(table, undecided)
        column = text_column(table, kind)
        return None if column is None else self._keys_of(kind, KeyTable).find(column)

    def _keys_of(self, kind: KeyKind, form: type[Keys]) -> Keys:
        """The keys of a kind, in a form that is made when the first column comes that needs it."""
        if (kind, form) not in self._keys:
            self._keys[kind, form] = form(self._entries.keys_of(kind))
        return self._keys[kind, form]

    def _find_near(self, table: pa.Table, undecided: NDArray[np.bool_]) -> NDArray[np.int32] | None:
        columns = perceptual_columns(table)
        if columns is None or self._near is None:
            return None
        phashes, pdqs, qualities = columns
        return self._near.find(phashes, pdqs, np.where(undecided, qualities, 0).astype(np.uint8))


def _refuse_keyless(table: pa.Table) -> None:
    if not set(table.column_names) & {*(kind.value for kind in TEXT_KINDS), "phash"}:
        raise NoKeyColumn("no list can exclude anything from a table without a column uid, sha256, url, owner or phash")


def _single(name: str, value: Any) -> pa.Array:
    kind = {"phash": pa.uint64(), "pdq": pa.binary(32)}.get(name)
    try:
        return pa.array([value], None if isinstance(value, str) else kind)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise BadKeyColumn(f"{value!r} cannot be compared with the list's {name} keys") from error
