"""Data frames of a real Spark session."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import PythonException
from pyspark.sql import DataFrame, SparkSession

from demur.adapters.judging import KindsNotApplied
from demur.adapters.spark_join import without_excluded
from demur.exclusions import Entry, ExclusionList, KeyKind
from demur.exclusions.columns import BadKeyColumn, NoKeyColumn
from demur.filtering import UnreadableRows
from tests.support.deletion_vectors import SCHEMA, keys_of, source_rows
from tests.support.exclusion_lists import build_version_for_today, publish_version
from tests.support.training_sets import KEPT, KEY, exclusion_list, table

strictly = pytest.mark.filterwarnings("error::demur.adapters.judging.KindsNotApplied")


@pytest.fixture
def exclusions(tmp_path: Path) -> ExclusionList:
    return exclusion_list(tmp_path / "list")


def opened(directory: Path, entries: list[Entry]) -> ExclusionList:
    directory.mkdir()
    publish_version(directory, KEY, build_version_for_today(entries))
    return ExclusionList.open(directory, key=KEY.verifier)


def frame(spark: SparkSession, rows: pa.Table, directory: Path) -> DataFrame:
    """As Spark reads Parquet: unsigned 64-bit hashes are decimals there."""
    pq.write_table(rows, directory / "rows.parquet", row_group_size=50)
    return spark.read.parquet(str(directory / "rows.parquet"))


@strictly
def test_every_kind_of_key_excludes(spark: SparkSession, exclusions: ExclusionList, tmp_path: Path) -> None:
    kept = without_excluded(frame(spark, table(), tmp_path), exclusions)
    assert sorted(row["id"] for row in kept.collect()) == KEPT
    assert kept.columns == table().column_names


@strictly
@pytest.mark.parametrize("signed", [False, True])
def test_the_rows_are_those_that_the_library_keeps(spark: SparkSession, tmp_path: Path, signed: bool) -> None:
    rows = pa.Table.from_pylist(source_rows(), SCHEMA).append_column("number", pa.array(range(len(source_rows()))))
    if signed:
        rows = rows.set_column(rows.column_names.index("phash"), "phash", rows["phash"].combine_chunks().view(pa.int64()))
    exclusions = opened(tmp_path / "list", keys_of(source_rows())[::3])
    expected = rows.filter(exclusions.keep(rows))["number"].to_pylist()
    found = without_excluded(frame(spark, rows, tmp_path).repartition(4), exclusions).select("number").collect()
    assert sorted(row["number"] for row in found) == expected


@strictly
def test_texts_are_joined_by_left_anti_joins(spark: SparkSession, exclusions: ExclusionList, tmp_path: Path) -> None:
    plan = without_excluded(frame(spark, table(), tmp_path), exclusions)._jdf.queryExecution().toString()
    assert plan.split("== Optimized")[0].count("Join LeftAnti") >= 4


@strictly
def test_keys_are_compared_as_text_and_digests_as_digests(spark: SparkSession, tmp_path: Path) -> None:
    digest = "ab" * 32
    exclusions = opened(tmp_path / "list", [Entry(KeyKind.UID, "7"), Entry(KeyKind.SHA256, digest)])
    pictures = [(7, bytes(32)), (8, bytes.fromhex(digest)), (9, None), (10, digest.upper().encode())]
    rows = spark.createDataFrame(pictures, "key long, sha256 binary")
    assert [row["key"] for row in without_excluded(rows, exclusions).collect()] == [9]


@strictly
def test_a_row_that_cannot_be_compared_stops_an_action_unless_it_is_allowed(spark: SparkSession, tmp_path: Path) -> None:
    exclusions = opened(tmp_path / "list", [Entry(KeyKind.UID, "7")])
    rows = spark.createDataFrame([(7.0,), (8.0,), (1.5,)], "uid double")
    with pytest.raises(PythonException, match=r"UnreadableRows.*: 1 of"):
        without_excluded(rows, exclusions).collect()
    assert [row["uid"] for row in without_excluded(rows, exclusions, allow_unreadable=1).collect()] == [8.0]
    with pytest.raises(UnreadableRows, match="2 rows of the data frame"):
        without_excluded(spark.createDataFrame([(1.5,), (None,), (8.0,)], "uid double"), exclusions, allow_unreadable=1)


def test_kinds_without_a_column_are_told(spark: SparkSession, exclusions: ExclusionList) -> None:
    rows = spark.createDataFrame([("photo-1",), ("photo-2",)], "id string")
    with pytest.warns(KindsNotApplied) as told:
        kept = without_excluded(rows, exclusions)
    assert [str(each.message).split()[4] for each in told if each.category is KindsNotApplied] == ["sha256", "url", "owner", "phash"]
    assert [row["id"] for row in kept.collect()] == ["photo-2"]


def test_what_cannot_be_compared_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    exclusions = opened(tmp_path / "list", [Entry(KeyKind.UID, "7")])
    with pytest.raises(BadKeyColumn, match="bool"):
        without_excluded(spark.createDataFrame([(True,)], "uid boolean"), exclusions)
    with pytest.raises(BadKeyColumn, match="list"):
        without_excluded(spark.createDataFrame([(["7"],)], "uid array<string>"), exclusions)
    with pytest.raises(NoKeyColumn):
        without_excluded(spark.createDataFrame([("a",)], "caption string"), exclusions)
