"""DuckDB relations without their excluded rows: an anti join for each kind of key, and the near-duplicate rule as a function."""

from collections.abc import Sequence
from uuid import uuid4

import pyarrow as pa
from duckdb import DuckDBPyConnection, DuckDBPyRelation
from duckdb.func import ARROW, SPECIAL
from duckdb.sqltypes import BOOLEAN, DuckDBPyType

from demur.adapters.judging import applied_columns
from demur.exclusions import ExclusionList, KeyKind
from demur.exclusions.keycolumns import PERCEPTUAL_COLUMNS, TEXT_KINDS, BadKeyColumn
from demur.filtering.keys import keyed_table

_TEXT = {"varchar", "enum", "uuid"} | {
    f"{sign}{size}" for sign in ("", "u") for size in ("tinyint", "smallint", "integer", "bigint", "hugeint")
}


def without_excluded(connection: DuckDBPyConnection, relation: DuckDBPyRelation, exclusions: ExclusionList) -> DuckDBPyRelation:
    """The relation without the rows that the list excludes, in no particular order. Lazy, like every relation.

    Entries are joined by every key column that the relation has. Confirmed near duplicates are told by a function of the columns phash, pdq
    and pdq_quality, which DuckDB calls with 2,048 rows at a time: so the rule and its search are those of `demur filter`.

    Args:
        connection: the one that the relation is of.

    Raises NoKeyColumn, BadKeyColumn (a key column whose type cannot be compared with text).
    """
    columns, types = applied_columns(relation.columns, exclusions, "the relation"), dict(zip(relation.columns, relation.types, strict=True))
    for kind in TEXT_KINDS:
        if kind in columns and kind in exclusions.head.counts:
            entries = connection.from_arrow(pa.table({"key": exclusions.entries.keys_of(kind)})).set_alias("entries")
            key = _text(kind, columns[kind], types[columns[kind]])
            relation = relation.set_alias("kept").join(entries, f"{key} = entries.key", how="anti")
    if KeyKind.PHASH in exclusions.head.counts and columns.keys() >= set(PERCEPTUAL_COLUMNS):
        hashes = [columns[ours] for ours in PERCEPTUAL_COLUMNS]
        function = _near_duplicate_rule(connection, [types[name] for name in hashes], exclusions)
        relation = relation.filter(f"{function}({', '.join(map(_quoted, hashes))})")
    return relation


def _text(kind: KeyKind, column: str, column_type: DuckDBPyType) -> str:
    """SQL for a column as text, as the list spells its keys. Raises BadKeyColumn."""
    name = f"kept.{_quoted(column)}"
    if column_type.id not in _TEXT | {"blob"}:
        raise BadKeyColumn(f"the column {column} holds {column_type}, which cannot be compared with the list's text keys")
    text = f"decode({name})" if column_type.id == "blob" else f"CAST({name} AS VARCHAR)"
    if kind is not KeyKind.SHA256:
        return text
    return (
        f"CASE WHEN octet_length({name}) = 32 THEN lower(hex({name})) ELSE lower({text}) END"
        if column_type.id == "blob"
        else f"lower({text})"
    )


def _near_duplicate_rule(connection: DuckDBPyConnection, types: Sequence[DuckDBPyType], exclusions: ExclusionList) -> str:
    """Adds a function of the perceptual columns that says whether a row is kept, for as long as the connection lasts; returns its name."""

    def kept(phash: pa.ChunkedArray, pdq: pa.ChunkedArray, quality: pa.ChunkedArray) -> pa.BooleanArray:
        hashes = zip(PERCEPTUAL_COLUMNS, (phash, pdq, quality), strict=True)
        return exclusions.judge(keyed_table({ours: part.combine_chunks() for ours, part in hashes})).keep

    name = f"demur_keeps_{uuid4().hex}"
    connection.create_function(name, kept, [*types], BOOLEAN, type=ARROW, null_handling=SPECIAL)
    return name


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
