"""Columns of types that no entry could be compared with are refused, since they would silently exclude nothing."""

from datetime import date

import pyarrow as pa
import pytest

from demur.exclusions.columns import BadKeyColumn
from demur.filtering.keys import KEY_COLUMNS, keyed_table, record_table

OTHERS: list[list[object]] = [[1.5, None], [True], [["a"]], [{"a": "b"}], [date(2026, 11, 21)]]


@pytest.mark.parametrize(
    ("name", "values"), [(name, values) for name in KEY_COLUMNS for values in OTHERS if (name, values[0]) != ("pdq_quality", 1.5)]
)
def test_a_column_of_another_type_is_refused(name: str, values: list[object]) -> None:
    with pytest.raises(BadKeyColumn, match=name):
        keyed_table({name: pa.array(values)})
    with pytest.raises(BadKeyColumn, match=name):
        record_table([{name: value} for value in values], "the records")


@pytest.mark.parametrize("of", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.binary(1)])
def test_text_of_every_type_is_read(of: pa.DataType) -> None:
    column = pa.array([b"7", None]).cast(of) if of != pa.string_view() else pa.array(["7", None], of)
    for each in (column, column.dictionary_encode()) if of != pa.string_view() else (column,):
        assert keyed_table({"uid": each})["uid"].to_pylist() == ["7", None]


@pytest.mark.parametrize("of", [pa.int8(), pa.uint64()])
@pytest.mark.parametrize("name", ["uid", "sha256", "url", "owner"])
def test_whole_numbers_stay_numbers(of: pa.DataType, name: str) -> None:
    assert keyed_table({name: pa.array([7, None], of)})[name].to_pylist() == [7, None]


def test_a_column_without_values_excludes_nothing() -> None:
    assert keyed_table({"owner": pa.nulls(2)})["owner"].to_pylist() == [None, None]


def test_qualities_may_be_floats() -> None:
    assert keyed_table({"pdq_quality": pa.array([80.0, None, float("nan")])})["pdq_quality"].to_pylist() == [80, None, None]


def test_one_value_that_cannot_be_read_costs_no_more_than_itself() -> None:
    assert keyed_table({"sha256": pa.array(["n/a", "AB" * 32])})["sha256"].to_pylist() == [None, "ab" * 32]
