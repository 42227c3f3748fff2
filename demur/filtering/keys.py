"""Which columns of a manifest a list is compared with, whatever they are called; read exactly as the import reads them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from demur.exclusions.columns import NO_NAMES, PERCEPTUAL_COLUMNS, Found, KeyedRows, Names, NoKeyColumn, key_columns
from demur.exclusions.entries import KeyKind

__all__ = ["NO_NAMES", "ComparedColumns", "Found", "Names", "key_columns", "record_table"]


@dataclass(frozen=True)
class ComparedColumns:
    """The key columns of a manifest with which entries of a list are compared, and the names of its other ones."""

    found: Found
    unread: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Found, kinds: Collection[KeyKind], where: str, besides: Collection[KeyKind] = ()) -> "ComparedColumns":
        """Those for entries of these kinds; all of them where the list has none, so that rows can be counted.

        besides: kinds of entries with which the rows are compared by other things than columns. Raises NoKeyColumn when entries of no kind
        could be compared with anything.
        """
        wanted = {
            kind.value for kind in kinds if kind.value in found and (kind is not KeyKind.PHASH or found.keys() >= {*PERCEPTUAL_COLUMNS})
        }
        needed = {*wanted, *PERCEPTUAL_COLUMNS} if KeyKind.PHASH in wanted else wanted
        if kinds and not wanted and not {*kinds} & {*besides}:
            columns = ", ".join(name for theirs in found.values() for name in theirs)
            raise NoKeyColumn(f"the list excludes by {' and '.join(sorted(kinds))}, and {where} has no column for that, only {columns}")
        if not wanted:
            return cls(found)
        return cls({ours: theirs for ours, theirs in found.items() if ours in needed}, tuple(ours for ours in found if ours not in needed))

    def without_spares(self, is_full: Callable[[str], bool]) -> "ComparedColumns":
        """Without the columns that stand in for one in which `is_full` says that every row has a value."""
        return replace(
            self, found={ours: theirs[:1] if len(theirs) > 1 and is_full(theirs[0]) else theirs for ours, theirs in self.found.items()}
        )

    @property
    def names(self) -> list[str]:
        """The manifest's columns, each once."""
        return list(dict.fromkeys(name for theirs in self.found.values() for name in theirs))

    def rows(self, rows: int, column: Callable[[str], pa.Array]) -> KeyedRows:
        """Rows of the manifest, whose columns are got by its own names."""
        return KeyedRows.of_columns(rows, self.found, column, self.unread)


def record_table(records: Sequence[Mapping[str, object]], where: str, given: Names = NO_NAMES, *, named: bool = False) -> KeyedRows:
    """The key columns of records that came as objects; what is missing in a record is null.

    named: whether the records' names are compared elsewhere. Raises NoKeyColumn, BadKeyColumn.
    """
    return KeyedRows.of_records(records, where, given, named=named)
