"""Rows that come as JSON: read by one rule wherever they are met, and turned into Arrow batches."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

import pyarrow as pa

from demur.digests import DEEPEST, is_deeper
from demur.exclusions.columns import BLANKS, KEY_COLUMNS, plain_name
from demur.manifests.rejections import Reason, Rejections
from demur.manifests.schema import match_all_columns

RECORD_ROWS = 8192
LONGEST_RECORD = 4 << 20
"""Bytes of one JSON object, or of one row of a CSV file."""
Record = Mapping[str, object]
_SPACED = re.compile(rb'"\s+:')
_KEY_NAMES = frozenset(alias for column in KEY_COLUMNS.values() for alias in column.aliases)
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


class BadRecord(ValueError):
    """A row that cannot be read. Its text says why, as the end of a sentence, and is the same for all such rows."""


def json_value(spelled: bytes) -> object:
    """What a JSON text says. Raises BadRecord, also where it holds half a character anywhere, which no file could hold."""
    if len(spelled) > LONGEST_RECORD:
        raise BadRecord(f"is longer than {LONGEST_RECORD >> 20} MiB")
    try:
        text = spelled.decode("utf-8-sig")
        value = json.loads(text)
        if spelled.count(b"[") + spelled.count(b"{") > DEEPEST:
            refuse_deep(value)
        if not isinstance(value, dict) or spelled.count(b'":') != len(value) or _SPACED.search(spelled):  # a name may be there twice
            json.loads(text, object_pairs_hook=_without_doubled_keys)
        if _HALF.search(spelled):  # the only way to spell one; most pairs make whole characters
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise BadRecord("is not UTF-8 text (iconv -f LATIN1 -t UTF-8 converts Latin-1)") from error
    except UnicodeEncodeError as error:
        raise BadRecord("holds half a character (a lone surrogate)") from error
    except RecursionError as error:
        raise BadRecord("is nested too deeply") from error
    except BadRecord:
        raise
    except ValueError as error:
        raise BadRecord("is not JSON") from error
    return value


def refuse_deep(value: object) -> None:
    """Raises BadRecord for a value in which more lists and objects are in each other than a walk through it can follow."""
    if is_deeper(value):
        raise BadRecord("is nested too deeply")


def _without_doubled_keys(pairs: list[tuple[str, object]]) -> None:
    """Raises BadRecord where an object names a key twice, of which Python would take the last."""
    names = [plain_name(name) for name, _ in pairs]
    if any(name in _KEY_NAMES and names.count(name) > 1 for name in names):
        raise BadRecord("names a key twice")


def json_object(spelled: bytes) -> dict[str, object]:
    """A JSON text that is an object. Raises BadRecord."""
    value = json_value(spelled)
    if not isinstance(value, dict):
        raise BadRecord("is not a JSON object")
    return value


def record_batch(records: Sequence[Record], places: Sequence[int], shard: str, rejected: Rejections) -> pa.RecordBatch:
    """The rows of `shard` at `places`. Those with a key in no known spelling, or a list, an object or a truth value where text or a number
    belongs, are left out. Where a row lacks a value in one of several columns of one meaning, that in the next counts.

    Raises MissingColumn, DoubledColumn.
    """
    columns = match_all_columns({name: None for record in records for name in record}, shard)
    values = {ours: [_first(record, theirs) for record in records] for ours, theirs in columns.items()}
    keys = {name: KEY_COLUMNS[name].read_values(given) for name, given in values.items() if name in KEY_COLUMNS}
    wrong = {position: f"{name} is {value!r:.80}" for name, given in values.items() for position, value in _nested(name, given)}
    for reading in keys.values():
        for fault in reading.faults:
            wrong |= {
                place: f"{fault.reason}{': ' if place in fault.examples else ''}{fault.examples.get(place, '')}"
                for place in fault.positions.tolist()
            }
    for position, what in sorted(wrong.items()):
        rejected.add(Reason.WRONG_TYPE, [f"{shard}, row {places[position] + 1}: {what}"])
    kept = pa.array([position for position in range(len(records)) if position not in wrong], pa.int64())
    read = {name: keys[name].values if name in keys else _column(given, wrong) for name, given in values.items()}
    return pa.RecordBatch.from_pydict(
        {
            **{name: column.take(kept) for name, column in read.items()},
            "shard": pa.repeat(pa.scalar(shard), len(kept)),
            "row": pa.array(places, pa.int64()).take(kept),
        }
    )


def _first(record: Record, columns: Sequence[str]) -> object:
    """The value of the first of these columns in which the record has one."""
    return next((value for name in columns if (value := record.get(name)) is not None and not _is_blank(value)), None)


def _is_blank(value: object) -> bool:
    return not value.strip(BLANKS) if isinstance(value, str) else value != value  # NaN


def _nested(name: str, values: Sequence[object]) -> Iterator[tuple[int, object]]:
    """Where a column that is no key has a list, an object or a truth value."""
    return (each for each in enumerate(values) if name not in KEY_COLUMNS and isinstance(each[1], list | dict | bool))


def _column(values: Sequence[object], without: Collection[int]) -> pa.Array:
    """Values of one type as they are; mixed ones as text, with which `columns.convert` goes value by value."""
    plain = [None if position in without else value for position, value in enumerate(values)]
    try:
        return pa.array(plain)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in plain], pa.string())
