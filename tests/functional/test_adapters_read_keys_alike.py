"""One rule for the names and spellings of keys, whichever tool brings them: the rule of import and filter."""

import uuid
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from datasets import Dataset

from demur.adapters.duckdb_join import without_excluded as by_duckdb
from demur.adapters.huggingface_datasets import without_excluded as by_datasets
from demur.adapters.torch_sampler import KeptSampler
from demur.exclusions import Entry, ExclusionList, KeyKind
from demur.exclusions.columns import BadKeyColumn
from demur.filtering import UnreadableRows
from demur.signing import SigningKey
from tests.support.exclusion_lists import build_version_for_today, publish_version

KEY = SigningKey.generate("op.example")
UID = "550e8400-e29b-41d4-a716-446655440000"
ENTRIES = [Entry(KeyKind.UID, UID), Entry(KeyKind.UID, "1001")]

Kept = Callable[[pa.Table, ExclusionList], list[str]]


def kept_by_duckdb(rows: pa.Table, exclusions: ExclusionList) -> list[str]:
    with duckdb.connect() as connection:
        return [row[0] for row in by_duckdb(connection, connection.from_arrow(rows), exclusions).project("caption").fetchall()]


def kept_by_datasets(rows: pa.Table, exclusions: ExclusionList) -> list[str]:
    return list(by_datasets(Dataset(rows), exclusions)["caption"][:])


def kept_by_torch(rows: pa.Table, exclusions: ExclusionList) -> list[str]:
    return rows.take(list(KeptSampler.by_columns(rows.to_batches(), exclusions, shuffle=False)))["caption"].to_pylist()


TOOLS: dict[str, Kept] = {"duckdb": kept_by_duckdb, "datasets": kept_by_datasets, "torch": kept_by_torch}
each_tool = pytest.mark.parametrize("kept", TOOLS.values(), ids=TOOLS)


@pytest.fixture
def exclusions(tmp_path: Path) -> ExclusionList:
    publish_version(tmp_path, KEY, build_version_for_today(ENTRIES))
    return ExclusionList.open(tmp_path, key=KEY.verifier)


def rows_of(name: str, values: pa.Array) -> pa.Table:
    return pa.table({name: values, "caption": ["excluded", "kept"]})


@each_tool
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("UID", pa.array([UID, "b"])),
        ("Uid", pa.array([UID.upper(), "b"])),
        (" uid ", pa.array([UID.replace("-", ""), "b"])),
        ("key", pa.array([f"{{{UID}}}", "b"])),
        ("uid", pa.array([uuid.UUID(UID).bytes, b"b" * 16], pa.binary())),
        ("uid", pa.array([1001.0, 2.0])),
    ],
    ids=["upper-case name", "upper-case UUID", "blanks", "another name", "raw bytes", "floats"],
)
def test_a_row_is_excluded_however_its_uid_is_named_and_spelled(kept: Kept, exclusions: ExclusionList, name: str, values: pa.Array) -> None:
    assert kept(rows_of(name, values), exclusions) == ["kept"]


@each_tool
def test_a_value_that_cannot_be_compared_stops_the_tool(kept: Kept, exclusions: ExclusionList) -> None:
    with pytest.raises((UnreadableRows, duckdb.Error), match=r"cannot be compared|a number that is not whole"):
        kept(rows_of("uid", pa.array([1001.0, 1.5])), exclusions)


@each_tool
def test_values_that_are_all_null_are_refused(kept: Kept, exclusions: ExclusionList) -> None:
    with pytest.raises((UnreadableRows, duckdb.Error), match=r"cannot be compared|no uid"):
        kept(rows_of("uid", pa.nulls(2, pa.string())), exclusions)


@pytest.mark.parametrize("kept", [kept_by_datasets, kept_by_torch], ids=["datasets", "torch"])  # DuckDB itself has one column of a name
def test_two_columns_of_one_name_are_refused(kept: Kept, exclusions: ExclusionList) -> None:
    rows = rows_of("uid", pa.array(["a", "b"])).append_column("UID", pa.array([UID, "c"]))
    with pytest.raises(BadKeyColumn, match="2 columns named uid"):
        kept(rows, exclusions)
