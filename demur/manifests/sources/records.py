"""Rows that come as JSON: read by one rule wherever they are met, and turned into Arrow batches."""

import json
import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from demur.manifests.rejections import Reason, Rejections
from demur.manifests.schema import match_columns

RECORD_ROWS = 8192
LONGEST_RECORD = 4 << 20
"""Bytes of one JSON object, or of one row of a CSV file."""
Record = Mapping[str, object]
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


class BadRecord(ValueError):
    """A row that cannot be read. Its text says why, as the end of a sentence, and is the same for all such rows."""


def json_value(spelled: bytes) -> object:
    """What a JSON text says. Raises BadRecord, also where it holds half a character anywhere, which no file could hold."""
    if len(spelled) > LONGEST_RECORD:
        raise BadRecord(f"is longer than {LONGEST_RECORD >> 20} MiB")
    try:
        value = json.loads(spelled.decode("utf-8-sig"))
        if _HALF.search(spelled):  # the only way to spell one; most pairs make whole characters
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise BadRecord("is not UTF-8 text (iconv -f LATIN1 -t UTF-8 converts Latin-1)") from error
    except UnicodeEncodeError as error:
        raise BadRecord("holds half a character (a lone surrogate)") from error
    except RecursionError as error:
        raise BadRecord("is nested too deeply") from error
    except ValueError as error:
        raise BadRecord("is not JSON") from error
    return value


def json_object(spelled: bytes) -> dict[str, object]:
    """A JSON text that is an object. Raises BadRecord."""
    value = json_value(spelled)
    if not isinstance(value, dict):
        raise BadRecord("is not a JSON object")
    return value


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
