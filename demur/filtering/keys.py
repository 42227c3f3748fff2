"""Finds in a manifest, whatever its columns are called, those by which a list excludes; read exactly as the import reads them."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import pyarrow as pa

from demur.exclusions.entries import KeyKind
from demur.exclusions.keycolumns import PERCEPTUAL_COLUMNS, TEXT_KINDS, BadKeyColumn, NoKeyColumn
from demur.manifests.columns import convert
from demur.manifests.schema import ALIASES

Names = Mapping[str, str]
"""Our name of a column → the manifest's."""
NO_NAMES: Names = {}
_COMPARABLE = (
    *(pa.types.is_null, pa.types.is_integer, pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary),
)
KEY_COLUMNS = (*(kind.value for kind in TEXT_KINDS), *PERCEPTUAL_COLUMNS)


def key_columns(names: Iterable[str], where: str, given: Names = NO_NAMES) -> dict[str, str]:
    """Our name → the manifest's, for the key columns that it has; a row without a uid is named by its path.

    What is `given` in the same form stands instead of what would be found. Raises NoKeyColumn, also when a given column is not there.
    """
    names = list(names)
    missing = sorted(set(given.values()) - set(names))
    if missing:
        raise NoKeyColumn(f"{where} has no column {missing[0]}")
    by_lower = {name.lower(): name for name in reversed(names)}
    aliases = {ours: ALIASES[ours] for ours in KEY_COLUMNS} | {"uid": (*ALIASES["uid"], *ALIASES["path"])}
    found = {ours: [by_lower[name] for name in theirs if name in by_lower] for ours, theirs in aliases.items()}
    columns = {ours: theirs[0] for ours, theirs in found.items() if theirs} | dict(given)
    if not columns:
        raise NoKeyColumn(f"{where} has no column by which a list excludes: no uid, key, id, path, sha256, url, owner or phash")
    return columns


def judged_columns(columns: Names, kinds: Collection[KeyKind]) -> dict[str, str]:
    """Those of the key columns that entries of these kinds are compared with; all of them where none is, so that rows can be counted."""
    wanted = {kind.value for kind in kinds if kind.value in columns}
    needed = {*wanted, *PERCEPTUAL_COLUMNS} if KeyKind.PHASH in wanted else wanted
    return {ours: theirs for ours, theirs in columns.items() if ours in needed or not wanted}


def keyed_table(columns: Mapping[str, pa.Array]) -> pa.Table:
    """The key columns in the catalogue's types, except that whole numbers stay numbers; values that cannot be converted match nothing.

    Raises BadKeyColumn for a type of which no value could be: such a column would silently exclude nothing.
    """
    return pa.table({name: _converted(name, column) for name, column in columns.items()})


def _converted(name: str, column: pa.Array) -> pa.Array:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (any(of(kind) for of in _COMPARABLE) or (name == "pdq_quality" and pa.types.is_floating(kind))):
        raise BadKeyColumn(f"a column of {kind} cannot be compared with the list's entries by {name}")
    return column if pa.types.is_integer(kind) and name in TEXT_KINDS else convert(name, column)[0]


def record_table(records: Sequence[Mapping[str, object]], where: str, given: Names = NO_NAMES) -> pa.Table:
    """The key columns of records that came as objects; what is missing in a record is null. Raises NoKeyColumn, BadKeyColumn."""
    columns = key_columns(dict.fromkeys(name for record in records for name in record), where, given)
    return keyed_table({ours: _column([record.get(theirs) for record in records]) for ours, theirs in columns.items()})


def _column(values: list[object]) -> pa.Array:
    """As one type where the values agree, else as text, which is then read value by value."""
    try:
        return pa.array(values)
    except pa.ArrowException:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
