"""Spark data frames without their excluded rows: a left anti join for each kind of key, and the near-duplicate rule as a function.

The join of many opted-out pictures with all rows, under every edit, is in `demur.adapters.spark`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]  # exists, untold by its stubs
from pyspark.sql.pandas.types import to_arrow_schema

from demur.adapters.judging import applied_columns
from demur.exclusions import ExclusionList, Judgement, KeyKind
from demur.exclusions.columns import PERCEPTUAL_COLUMNS, TEXT_KINDS, KeyedRows, folded, listed
from demur.exclusions.matching import IDENTIFIERS, Matcher
from demur.filtering.keys import ComparedColumns
from demur.filtering.parquet import judged_none
from demur.filtering.report import FilterReport, UnreadableRows

_KEY, _READ = "demur_key", "demur_key_read"


def without_excluded(rows: DataFrame, exclusions: ExclusionList, *, allow_unreadable: int = 0) -> DataFrame:
    """The rows that the list keeps, in no particular order. Lazy, like every data frame.

    Entries are joined by every key column that the frame has; Spark broadcasts them or shuffles both sides as its settings say. Functions
    read the keys and find confirmed near duplicates where the rows are: so the rules are those of `demur filter`. Needs Spark 4.1 or newer,
    and executors with `pip install ./demur`.

    Args:
        allow_unreadable: how many rows may be left out because they cannot be compared, whether or not another key excludes them. Other
            than 0, they are counted at once, by a job of its own.

    Raises NoKeyColumn, BadKeyColumn, UnreadableRows; an action ends with Spark's PythonException, which names UnreadableRows, when none is
    allowed and one is met.
    """
    columns = applied_columns(rows.columns, exclusions, "the data frame")
    judged_none(columns, exclusions, to_arrow_schema(rows.schema))  # refuses what cannot be compared before any job runs
    compared = _compared(columns, exclusions)
    if not compared:
        return rows
    readable = _function(rows, columns, "boolean", _readable(compared, raising=not allow_unreadable))
    if allow_unreadable:
        _refuse_unreadable(rows, ~readable, allow_unreadable)
    rows = rows.filter(readable)
    for kind in TEXT_KINDS:
        if kind in columns.found and kind in exclusions.head.counts:
            rows = _without(rows, kind, columns, exclusions)
    if KeyKind.PHASH in exclusions.head.counts and columns.found.keys() >= set(PERCEPTUAL_COLUMNS):
        rows = rows.filter(_function(rows, columns, "boolean", _kept(rows, exclusions)))
    return rows


def _compared(columns: ComparedColumns, exclusions: ExclusionList) -> list[tuple[str, ...]]:
    """The columns of ours that entries are compared with, those of one kind together."""
    of_kinds = [PERCEPTUAL_COLUMNS if kind is KeyKind.PHASH else (kind.value,) for kind in exclusions.head.counts]
    return [names for names in of_kinds if columns.found.keys() >= {*names}]


def _refuse_unreadable(rows: DataFrame, unreadable: Column, allowed: int) -> None:
    number = rows.filter(unreadable).count()
    if number > allowed:
        raise UnreadableRows(f"{number:,} rows of the data frame cannot be compared with the list, and {allowed:,} are allowed")


def _function(rows: DataFrame, columns: ComparedColumns, returned: str, answer: Callable[[KeyedRows], pa.Array]) -> Column:
    """What `answer` makes of the key columns, as a column."""

    @arrow_udf(returned)
    def function(*parts: pa.Array) -> pa.Array:
        cells = dict(zip(columns.names, parts, strict=True))
        return answer(columns.rows(len(parts[0]), cells.__getitem__))

    called: Column = function(*(rows[_quoted(name)] for name in columns.names))
    return called


def _readable(compared: Sequence[Sequence[str]], *, raising: bool) -> Callable[[KeyedRows], pa.BooleanArray]:
    def readable(rows: KeyedRows) -> pa.BooleanArray:
        report = FilterReport()
        faults, uncompared = rows.faults([name for names in compared for name in names]), rows.uncompared(compared)
        keep = report.add(Judgement(np.full(rows.rows, -1, dtype=np.int8), (), faults, uncompared))
        if raising:
            report.refuse_unreadable()
        return keep

    return readable


def _without(rows: DataFrame, kind: KeyKind, columns: ComparedColumns, exclusions: ExclusionList) -> DataFrame:
    def key(keyed: KeyedRows) -> pa.Array:
        text = keyed.reading(kind.value).values.cast(pa.large_string())
        return (folded(text, hyphens=True) if kind in IDENTIFIERS else text).cast(pa.string())

    keys = listed(kind, exclusions.entries.keys_of(kind))
    keys = folded(keys, hyphens=True) if kind in IDENTIFIERS else keys
    entries = rows.sparkSession.createDataFrame(pa.table({_KEY: keys}))
    read = rows.withColumn(_READ, _function(rows, columns, "string", key))
    return read.join(entries, read[_READ] == entries[_KEY], "left_anti").drop(_READ)


def _kept(rows: DataFrame, exclusions: ExclusionList) -> Callable[[KeyedRows], pa.BooleanArray]:
    """Whether a row is no confirmed near duplicate of any entry. Executors are sent these entries, and nothing else of the list."""
    matcher = Matcher(exclusions.entries[exclusions.entries.span(KeyKind.PHASH)])
    sent: Any = rows.sparkSession.sparkContext.broadcast(matcher)

    def kept(keyed: KeyedRows) -> pa.BooleanArray:
        return pa.array(sent.value.judge(keyed).kinds < 0)

    return kept


def _quoted(name: str) -> str:
    escaped = name.replace("`", "``")
    return f"`{escaped}`"
