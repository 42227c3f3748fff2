"""DuckDB relations without their excluded rows: the rules of `demur filter` as a function that DuckDB calls."""

from collections.abc import Callable
from uuid import uuid4

import pyarrow as pa
from duckdb import DuckDBPyConnection, DuckDBPyRelation, struct_type
from duckdb.func import ARROW, SPECIAL
from duckdb.sqltypes import BOOLEAN, DuckDBPyType

from demur.adapters.judging import applied_columns
from demur.exclusions import ExclusionList, Judgement
from demur.filtering.keys import ComparedColumns
from demur.filtering.parquet import judged_none
from demur.filtering.report import FilterReport, UnreadableRows


def without_excluded(
    connection: DuckDBPyConnection, relation: DuckDBPyRelation, exclusions: ExclusionList, *, allow_unreadable: int = 0
) -> DuckDBPyRelation:
    """The relation without the rows that the list excludes, in no particular order. Lazy, like every relation.

    DuckDB hands the key columns to the library, 2,048 rows at a time: so they are read and compared as by `demur filter`.

    Args:
        connection: the one that the relation is of.
        allow_unreadable: how many rows may be left out because they cannot be compared. Other than 0, they are counted at once, by a pass
            over the relation.

    Raises NoKeyColumn, BadKeyColumn, UnreadableRows; a query of the relation ends with DuckDB's InvalidInputException, which names
    UnreadableRows, when none is allowed and one is met.
    """
    columns = applied_columns(relation.columns, exclusions, "the relation")
    judged_none(columns, exclusions, relation.limit(0).to_arrow_table().schema)  # refuses what cannot be compared before any query runs
    types = dict(zip(relation.columns, relation.types, strict=True))
    functions = _Functions(connection, columns, [types[name] for name in columns.names], exclusions)
    if allow_unreadable:
        functions.refuse_unreadable(relation, allow_unreadable)
        return relation.filter(functions.add(lambda judgement: judgement.keep))
    return relation.filter(functions.add(_kept))


class _Functions:
    """Functions of the key columns, which stay for as long as the connection lasts."""

    def __init__(
        self, connection: DuckDBPyConnection, columns: ComparedColumns, types: list[DuckDBPyType], exclusions: ExclusionList
    ) -> None:
        self._connection, self._columns, self._types, self._exclusions = connection, columns, types, exclusions

    def add(self, answer: Callable[[Judgement], pa.BooleanArray]) -> str:
        """SQL that calls a new function, which gives for each row what `answer` makes of its judgement."""

        def judged(rows: pa.ChunkedArray) -> pa.BooleanArray:
            cells = dict(zip(self._columns.names, rows.combine_chunks().flatten(), strict=True))
            return answer(self._exclusions.judge(self._columns.rows(len(rows), cells.__getitem__)))

        name = f"demur_{uuid4().hex}"
        packed = struct_type({f"c{number}": column_type for number, column_type in enumerate(self._types)})
        self._connection.create_function(name, judged, [packed], BOOLEAN, type=ARROW, null_handling=SPECIAL)
        fields = (f"c{number} := {_quoted(column)}" for number, column in enumerate(self._columns.names))
        return f"{name}(struct_pack({', '.join(fields)}))"

    def refuse_unreadable(self, relation: DuckDBPyRelation, allowed: int) -> None:
        """Raises UnreadableRows."""
        report = FilterReport(allow_unreadable=allowed)

        def counted(judgement: Judgement) -> pa.BooleanArray:
            return report.add(judgement)

        relation.filter(self.add(counted)).aggregate("count(*)").fetchall()
        report.refuse_unreadable()


def _kept(judgement: Judgement) -> pa.BooleanArray:
    report = FilterReport()
    keep = report.add(judgement)
    try:
        report.refuse_unreadable()
    except UnreadableRows as error:
        raise UnreadableRows(f"UnreadableRows: {error}") from error
    return keep


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
