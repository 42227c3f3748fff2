"""Relations of a real DuckDB."""

import gc
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from duckdb import DuckDBPyConnection

from demur.adapters.duckdb_join import without_excluded
from demur.adapters.judging import KindsNotApplied
from demur.exclusions import Entry, ExclusionList, KeyKind
from demur.exclusions.columns import BadKeyColumn, NoKeyColumn
from demur.filtering import UnreadableRows
from tests.support.deletion_vectors import SCHEMA, keys_of, source_rows
from tests.support.exclusion_lists import build_version_for_today, publish_version
from tests.support.training_sets import BY, KEPT, KEY, exclusion_list, table

strictly = pytest.mark.filterwarnings("error::demur.adapters.judging.KindsNotApplied")


@pytest.fixture
def connection() -> Iterator[DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture
def exclusions(tmp_path: Path) -> ExclusionList:
    return exclusion_list(tmp_path / "list")


def opened(directory: Path, entries: list[Entry]) -> ExclusionList:
    directory.mkdir()
    publish_version(directory, KEY, build_version_for_today(entries))
    return ExclusionList.open(directory, key=KEY.verifier)


def troublesome() -> pa.Table:
    """Rows with nulls and near duplicates of all distances, numbered."""
    rows = pa.Table.from_pylist(source_rows(), SCHEMA)
    return rows.append_column("number", pa.array(range(len(rows))))


def ids(relation: duckdb.DuckDBPyRelation) -> list[str]:
    return sorted(str(row[0]) for row in relation.project("id").fetchall())


@strictly
def test_every_kind_of_key_excludes(connection: DuckDBPyConnection, exclusions: ExclusionList, tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "photos.parquet")
    kept = without_excluded(connection, connection.read_parquet(str(tmp_path / "photos.parquet")), exclusions)
    assert ids(kept) == KEPT
    assert kept.columns == table().column_names


@strictly
@pytest.mark.parametrize("uid", list(BY))
def test_each_kind_by_itself(connection: DuckDBPyConnection, tmp_path: Path, uid: str) -> None:
    exclusions = exclusion_list(tmp_path / "list", [BY[uid]])
    kept = ids(without_excluded(connection, connection.from_arrow(table()), exclusions))
    assert kept == sorted({*table()["id"].to_pylist()} - {uid})


@strictly
def test_a_database_table_and_a_query_will_do(connection: DuckDBPyConnection, exclusions: ExclusionList) -> None:
    connection.from_arrow(table()).create("photos")
    assert ids(without_excluded(connection, connection.table("photos"), exclusions)) == KEPT
    asked = connection.sql("select * from photos where id <> 'photo-0'")
    assert ids(without_excluded(connection, asked, exclusions)) == KEPT[1:]


@strictly
def test_it_goes_on_as_a_relation_and_outlives_its_makers(connection: DuckDBPyConnection, tmp_path: Path) -> None:
    kept = without_excluded(connection, connection.from_arrow(table()), exclusion_list(tmp_path / "list"))
    gc.collect()
    kept.create_view("kept")
    assert connection.sql("select count(*), max(caption) from kept where owner = 'ada'").fetchall() == [(3, "patches number 7")]
    kept.write_parquet(str(tmp_path / "kept.parquet"))
    assert sorted(pq.read_table(tmp_path / "kept.parquet", use_threads=False)["id"].to_pylist()) == KEPT


@strictly
@pytest.mark.parametrize("every", [1, 3, 9])
def test_the_rows_are_those_that_the_library_keeps(connection: DuckDBPyConnection, tmp_path: Path, every: int) -> None:
    rows = troublesome()
    exclusions = opened(tmp_path / "list", keys_of(source_rows())[::every])
    expected = rows.filter(exclusions.keep(rows))["number"].to_pylist()
    found = without_excluded(connection, connection.from_arrow(rows), exclusions).project("number").fetchall()
    assert sorted(number for (number,) in found) == expected


@strictly
@pytest.mark.parametrize(
    "uid", ["'7'", "'7'::blob", "cast('7' as enum ('7'))", *(f"7::{of}" for of in ("tinyint", "ubigint", "bigint", "hugeint"))]
)
def test_keys_are_compared_as_text(connection: DuckDBPyConnection, tmp_path: Path, uid: str) -> None:
    exclusions = opened(tmp_path / "list", [Entry(KeyKind.UID, "7")])
    assert without_excluded(connection, connection.sql(f"select {uid} as id"), exclusions).fetchall() == []


@strictly
@pytest.mark.parametrize("spelled", ["'{}'", "upper('{}')", "unhex('{}')", "'{}'::blob"])
def test_digests_are_compared_however_they_are_spelled(connection: DuckDBPyConnection, tmp_path: Path, spelled: str) -> None:
    digest = "ab" * 32
    exclusions = opened(tmp_path / "list", [Entry(KeyKind.SHA256, digest)])
    rows = connection.sql(f"select {spelled.format(digest)} as sha256 union all select {spelled.format('cd' * 32)}")
    assert len(without_excluded(connection, rows, exclusions).fetchall()) == 1


@strictly
def test_names_of_columns_may_be_anything(connection: DuckDBPyConnection, tmp_path: Path) -> None:
    exclusions = exclusion_list(tmp_path / "list", [KeyKind.UID])
    rows = connection.sql("""select 'photo-1' as "ID", 1 as "a ""quoted"" name", 2 as "select" """)
    assert without_excluded(connection, rows, exclusions).fetchall() == []


@strictly
def test_a_row_without_a_key_stops_the_query_unless_it_is_allowed(connection: DuckDBPyConnection, tmp_path: Path) -> None:
    exclusions = exclusion_list(tmp_path / "list", [KeyKind.UID])
    rows = connection.sql("select unnest(['x', null]) as uid")
    with pytest.raises(duckdb.InvalidInputException, match="UnreadableRows: 1 of 2 rows"):
        without_excluded(connection, rows, exclusions).fetchall()
    assert without_excluded(connection, rows, exclusions, allow_unreadable=1).fetchall() == [("x",)]
    with pytest.raises(UnreadableRows):
        without_excluded(connection, connection.sql("select unnest(['x', null, null]) as uid"), exclusions, allow_unreadable=1)


def test_kinds_without_a_column_are_told(connection: DuckDBPyConnection, exclusions: ExclusionList) -> None:
    with pytest.warns(KindsNotApplied) as told:
        assert len(without_excluded(connection, connection.from_arrow(table().select(["id", "phash", "pdq"])), exclusions).fetchall()) == 7
    assert [str(each.message).split()[4] for each in told] == ["sha256", "url", "owner", "phash"]


@pytest.mark.parametrize("columns", ["[1] as uid", "date '2026-11-21' as uid", "true as uid", "1.5 as sha256"])
def test_keys_that_cannot_be_compared_are_refused(connection: DuckDBPyConnection, tmp_path: Path, columns: str) -> None:
    exclusions = exclusion_list(tmp_path / "list", [KeyKind.UID, KeyKind.SHA256])
    with pytest.warns(KindsNotApplied), pytest.raises(BadKeyColumn, match=columns.split()[-1]):
        without_excluded(connection, connection.sql(f"select {columns}"), exclusions)


def test_without_a_key_column_nothing_is_kept(connection: DuckDBPyConnection, exclusions: ExclusionList) -> None:
    with pytest.raises(NoKeyColumn):
        without_excluded(connection, connection.sql("select 'a' as caption"), exclusions)
