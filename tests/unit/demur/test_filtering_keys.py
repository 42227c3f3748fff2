"""Columns of types that no entry could be compared with are refused, since they would silently exclude nothing."""

from datetime import date

import pyarrow as pa
import pytest

from demur.exclusions.columns import KEY_COLUMNS, BadKeyColumn, KeyedRows
from demur.filtering.keys import ComparedColumns, key_columns, record_table

OTHERS: list[list[object]] = [[True], [["a"]], [{"a": "b"}], [date(2026, 11, 21)]]


def read(name: str, column: pa.Array) -> list[object]:
    values: list[object] = KEY_COLUMNS[name].read(column).values.to_pylist()
    return values


@pytest.mark.parametrize(("name", "values"), [(name, values) for name in KEY_COLUMNS for values in OTHERS])
def test_a_column_of_another_type_is_refused(name: str, values: list[object]) -> None:
    with pytest.raises(BadKeyColumn, match=name):
        KEY_COLUMNS[name].read(pa.array(values))
    assert len(record_table([{name: value} for value in values], "the records").reading(name).faults) == 1


@pytest.mark.parametrize("of", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.binary(1)])
def test_text_of_every_type_is_read(of: pa.DataType) -> None:
    column = pa.array([b"7", None]).cast(of) if of != pa.string_view() else pa.array(["7", None], of)
    for each in (column, column.dictionary_encode()) if of != pa.string_view() else (column,):
        assert read("uid", each) == ["7", None]


@pytest.mark.parametrize("of", [pa.int8(), pa.uint64()])
@pytest.mark.parametrize("name", ["uid", "url", "owner"])
def test_whole_numbers_stay_numbers(of: pa.DataType, name: str) -> None:
    assert read(name, pa.array([7, None], of)) == [7, None]


def test_a_column_without_values_excludes_nothing() -> None:
    assert read("owner", pa.nulls(2)) == [None, None]


def test_one_value_that_cannot_be_read_costs_no_more_than_itself() -> None:
    assert read("sha256", pa.array(["n/a", "AB" * 32])) == [None, "ab" * 32]


def test_a_row_is_named_by_the_first_column_that_names_it() -> None:
    rows = record_table([{"uid": None, "key": "k1"}, {"uid": "u2", "key": "k2"}, {"key": "k3"}, {"uid": " ", "path": "a.jpg"}, {}], "rows")
    assert rows.reading("uid").values.to_pylist() == ["k1", "u2", "k3", "a.jpg", None]
    table = {"UID": pa.array([None, 2.0]), "key": pa.array(["k1", "k2"])}
    keyed = ComparedColumns.of(key_columns(table, "rows"), (), "rows").rows(2, table.__getitem__)
    assert keyed.reading("uid").values.to_pylist() == ["k1", "2"]


def test_a_value_that_cannot_be_read_is_not_passed_over_for_another_column() -> None:
    reading = record_table([{"uid": 1.5, "key": "k1"}], "rows").reading("uid")
    assert (reading.values.to_pylist(), reading.unreadable.tolist()) == ([None], [True])


def test_names_are_found_in_any_case_and_between_blanks() -> None:
    assert key_columns([" UID", "Image_URL ", "\ufeffuser"], "m.csv") == {
        "uid": (" UID",),
        "url": ("Image_URL ",),
        "owner": ("\ufeffuser",),
    }


@pytest.mark.parametrize("names", [["uid", "uid"], ["uid", "UID"], ["id", "Key", "key"], [" url", "url"]])
def test_two_columns_of_one_name_are_refused(names: list[str]) -> None:
    with pytest.raises(BadKeyColumn, match="has 2 columns named"):
        key_columns(names, "m.csv")


def test_columns_are_read_once_and_only_where_they_are_compared() -> None:
    asked: list[str] = []

    def column(name: str) -> list[object]:
        asked.append(name)
        return ["a", "b"]

    rows = KeyedRows.of_columns(2, {"uid": ("uid", "key"), "url": ("url",)}, column)
    assert rows.faults(["uid"]) == rows.faults(["uid"]) == ()
    assert asked == ["uid"]
