"""Rows that come as Python dictionaries (JSON), turned into Arrow batches."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from demur.manifests.rejections import Reason, Rejections
from demur.manifests.schema import match_columns

RECORD_ROWS = 8192
Record = Mapping[str, object]


def record_batch(records: Sequence[Record], places: Sequence[int], shard: str, rejected: Rejections) -> pa.RecordBatch:
    """The rows of `shard` at `places`; those with a list, an object or a truth value where text or a number belongs are left out.

    Raises MissingColumn.
    """
    columns = match_columns({name: None for record in records for name in record}, shard)
    kept: list[tuple[Record, int]] = []
    for record, place in zip(records, places, strict=True):
        wrong = [theirs for theirs in columns.values() if isinstance(record.get(theirs), list | dict | bool)]
        if wrong:
            rejected.add(Reason.WRONG_TYPE, [f"{shard}, row {place + 1}: {wrong[0]} is {record[wrong[0]]!r:.80}"])
        else:
            kept.append((record, place))
    return pa.RecordBatch.from_pydict(
        {
            **{ours: _column([record.get(theirs) for record, _ in kept]) for ours, theirs in columns.items()},
            "shard": pa.repeat(pa.scalar(shard), len(kept)),
            "row": pa.array([place for _, place in kept], pa.int64()),
        }
    )


def _column(values: list[object]) -> pa.Array:
    """Values of one type as they are; mixed ones as text, with which `columns.convert` goes value by value."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
