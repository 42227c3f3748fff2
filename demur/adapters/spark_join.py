"""Spark data frames without their excluded rows: a left anti join for each kind of key, and the near-duplicate rule as a function.

The join of many opted-out pictures with all rows, under every edit, is in `demur.adapters.spark`.
"""

from decimal import Decimal

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql.functions import arrow_udf, hex, length, lower, when  # type: ignore[attr-defined]  # exists, untold by its stubs
from pyspark.sql.types import BinaryType, DecimalType, IntegralType, StringType

from demur.adapters.judging import applied_columns
from demur.exclusions import ExclusionList, KeyKind
from demur.exclusions.keycolumns import PERCEPTUAL_COLUMNS, TEXT_KINDS, BadKeyColumn
from demur.exclusions.matching import Matcher
from demur.filtering.keys import keyed_table

_KEY = "demur_key"


def without_excluded(rows: DataFrame, exclusions: ExclusionList) -> DataFrame:
    """The rows that the list keeps, in no particular order. Lazy, like every data frame.

    Entries are joined by every key column that the frame has; Spark broadcasts them or shuffles both sides as its settings say. Confirmed
    near duplicates are told by a function of the columns phash, pdq and pdq_quality, which runs where the rows are: so the rule and its
    search are those of `demur filter`. Needs Spark 4.1 or newer, and executors with `pip install ./demur`.

    Raises NoKeyColumn, BadKeyColumn (a key column whose type cannot be compared with text).
    """
    columns = applied_columns(rows.columns, exclusions, "the data frame")
    for kind in TEXT_KINDS:
        if kind in columns and kind in exclusions.head.counts:
            entries = rows.sparkSession.createDataFrame(pa.table({_KEY: exclusions.entries.keys_of(kind)}))
            rows = rows.join(entries, _text(rows, kind, columns[kind]) == entries[_KEY], "left_anti")
    if KeyKind.PHASH in exclusions.head.counts and columns.keys() >= set(PERCEPTUAL_COLUMNS):
        rows = rows.filter(_kept(rows, [columns[ours] for ours in PERCEPTUAL_COLUMNS], exclusions))
    return rows


def _text(rows: DataFrame, kind: KeyKind, name: str) -> Column:
    """A column as text, as the list spells its keys. Raises BadKeyColumn."""
    column, column_type = rows[_quoted(name)], rows.schema[name].dataType
    if not isinstance(column_type, StringType | IntegralType | BinaryType):
        raise BadKeyColumn(f"the column {name} holds {column_type.simpleString()}, which cannot be compared with the list's text keys")
    text = column.cast("string")
    if kind is not KeyKind.SHA256:
        return text
    return lower(when(length(column) == 32, hex(column)).otherwise(text) if isinstance(column_type, BinaryType) else text)


def _kept(rows: DataFrame, names: list[str], exclusions: ExclusionList) -> Column:
    """Whether a row is no confirmed near duplicate of any entry. Executors are sent these entries, and nothing else of the list."""
    matcher = Matcher(exclusions.entries[exclusions.entries.span(KeyKind.PHASH)])
    sent = rows.sparkSession.sparkContext.broadcast(matcher)

    @arrow_udf("boolean")
    def kept(phash: pa.Array, pdq: pa.Array, quality: pa.Array) -> pa.Array:
        return sent.value.judge(keyed_table(dict(zip(PERCEPTUAL_COLUMNS, (phash, pdq, quality), strict=True)))).keep

    phash, pdq, quality = (rows[_quoted(name)] for name in names)
    if isinstance(rows.schema[names[0]].dataType, DecimalType):  # as Spark, which knows no unsigned numbers, reads them
        phash = when(phash >= Decimal(2**63), phash - Decimal(2**64)).otherwise(phash).cast("bigint")
    return kept(phash, pdq, quality)


def _quoted(name: str) -> str:
    escaped = name.replace("`", "``")
    return f"`{escaped}`"
