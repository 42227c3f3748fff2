"""Rows that come as Python dictionaries (JSON), turned into Arrow columns."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

RECORD_ROWS = 8192


def record_columns(records: Sequence[Mapping[str, object]], columns: Mapping[str, str]) -> dict[str, pa.Array]:
    """The `columns` (ours → theirs) of some records; a record that lacks one has null there."""
    return {ours: _column([record.get(theirs) for record in records]) for ours, theirs in columns.items()}


def _column(values: list[object]) -> pa.Array:
    """Text or whole numbers as they are; anything mixed as text, with which `columns.convert` goes value by value."""
    try:
        column = pa.array(values)
    except pa.ArrowException:
        return pa.array([_spelled(value) for value in values], pa.string())
    return column


def _spelled(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else str(value)
