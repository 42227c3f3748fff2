"""Turns a manifest's columns, whatever their type, into the catalogue's types, value by value only where it must.

Each column is first converted as a whole. Where that fails, its values are converted one by one, and a mask says which cannot be, so that
one bad value costs one row. Key columns are read as the filter reads them (demur.exclusions.columns).
"""

import datetime
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from demur.exclusions.columns import KEY_COLUMNS, BadKeyColumn, KeyedRows, trimmed
from demur.manifests.schema import SCHEMA
from demur.text_rules import faulty_texts

Mask = npt.NDArray[np.bool_]
EARLIEST = datetime.datetime(1800, 1, 1, tzinfo=datetime.UTC)
LATEST = datetime.datetime(2200, 1, 1, tzinfo=datetime.UTC)
SECONDS_BELOW = 10**10
"""Whole numbers from here on are no seconds since 1970 (they would be of the year 2286), but milliseconds, from 1970-04-26 on."""


@dataclass(frozen=True)
class _Conversion:
    """`whole` converts an array or raises ArrowException; `value` converts one value that is there or raises ValueError."""

    whole: Callable[[pa.Array], pa.Array]
    value: Callable[[object], object]
    empty_is_null: bool = True


def convert(name: str, column: pa.Array) -> tuple[pa.Array, Mask | None]:
    """The column in the catalogue's type, and which of its values could not be converted (None: all could)."""
    if name in KEY_COLUMNS:
        return _key(name, column)
    wanted = SCHEMA.field(name).type if name in SCHEMA.names else pa.string()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), wanted), None
    conversion = _CONVERSIONS.get(name, _TEXT)
    try:
        converted, bad = conversion.whole(column), None
    except (pa.ArrowException, UnicodeDecodeError):
        converted, bad = _one_by_one(column, conversion, wanted)
    return _with_text_rule(name, converted, bad)


def _with_text_rule(name: str, column: pa.Array, bad: Mask | None) -> tuple[pa.Array, Mask | None]:
    """The same column; texts that no catalogue may hold are bad as well."""
    faulty = faulty_texts(column, name) if pa.types.is_string(column.type) else None
    return column, bad if faulty is None else faulty if bad is None else faulty | bad


def _key(name: str, column: pa.Array) -> tuple[pa.Array, Mask | None]:
    try:
        reading = KEY_COLUMNS[name].read(column)
    except BadKeyColumn:  # no value of such a type can be read
        bad: Mask = column.is_valid().to_numpy(zero_copy_only=False)
        return pa.nulls(len(column), KEY_COLUMNS[name].canonical), bad if bad.any() else None
    return reading.values.cast(KEY_COLUMNS[name].canonical), reading.unreadable if reading.faults else None


def first_given(name: str, columns: Sequence[pa.Array]) -> pa.Array:
    """A column of ours out of a manifest's columns for it, best first: of each row, the first value there is.

    Keys only; of any other column, the first. A column that has a value in each row is handed on as it is.
    """
    first, *others = columns
    if not others or name not in KEY_COLUMNS or (first.null_count == 0 and not pa.types.is_floating(first.type) and not _has_blanks(first)):
        return first
    rows = KeyedRows.of_columns(len(first), {name: tuple(map(str, range(len(columns))))}, lambda place: columns[int(place)])
    try:
        reading = rows.reading(name)
    except BadKeyColumn:
        return first
    return reading.values if name == "uid" or not reading.faults else first  # without a uid, the row is rejected anyway


def _has_blanks(column: pa.Array) -> bool:
    if not (pa.types.is_string(column.type) or pa.types.is_binary(column.type) or pa.types.is_dictionary(column.type)):
        return False
    text = column.dictionary if pa.types.is_dictionary(column.type) else column
    try:
        return trimmed(text.cast(pa.large_string())).null_count > 0
    except pa.ArrowInvalid:
        return True


def _one_by_one(column: pa.Array, conversion: _Conversion, wanted: pa.DataType) -> tuple[pa.Array, Mask]:
    bad = np.zeros(len(column), dtype=np.bool_)
    values: list[object] = []
    for position, scalar in enumerate(column):
        try:
            theirs = scalar.as_py()
            absent = theirs is None or (conversion.empty_is_null and theirs in ("", b""))
            values.append(None if absent else conversion.value(theirs))
        except (ValueError, OverflowError):
            bad[position] = True
            values.append(None)
    return pa.array(values, wanted), bad


def _refuse(column: pa.Array) -> pa.ArrowInvalid:
    return pa.ArrowInvalid(f"not converted as a whole: {column.type}")


def _whole_text(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_string(kind):
        column.validate(full=True)  # Parquet promises UTF-8 and does not check it
        return column
    if pa.types.is_large_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_integer(kind):
        return column.cast(pa.string())
    raise _refuse(column)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise ValueError("not text")


def _whole_number(low: int, high: int, wanted: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    def whole(column: pa.Array) -> pa.Array:
        if pa.types.is_boolean(column.type):
            raise _refuse(column)
        numbers = (_whole_text(column) if pa.types.is_binary(column.type) else column).cast(wanted)
        bounds = pc.min_max(numbers)
        if bounds["min"].is_valid and (bounds["min"].as_py() < low or bounds["max"].as_py() > high):
            raise _refuse(column)
        return numbers

    return whole


def _number(low: int, high: int) -> Callable[[object], int | None]:
    def value(theirs: object) -> int | None:
        if isinstance(theirs, float) and math.isnan(theirs):
            return None
        if isinstance(theirs, bool) or not isinstance(theirs, int | float | str | bytes):
            raise ValueError("not a number")
        number = float(theirs)
        if not number.is_integer() or not low <= number <= high:
            raise ValueError("not a whole number within bounds")
        return int(number)

    return value


def _whole_time(column: pa.Array) -> pa.Array:
    wanted = pa.timestamp("s")
    if pa.types.is_timestamp(column.type):
        return _dated(column.cast(pa.timestamp("s", column.type.tz), safe=False).cast(wanted))
    if pa.types.is_integer(column.type):
        return _dated(_seconds(column.cast(pa.int64())).cast(wanted))
    if pa.types.is_date(column.type):
        return _dated(column.cast(wanted))
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        return _dated(_whole_text(column).cast(wanted))
    raise _refuse(column)


def _seconds(since_1970: pa.Int64Array) -> pa.Int64Array:
    """Whole numbers are seconds, milliseconds, microseconds or nanoseconds since 1970: which, their size says."""
    unit = pa.scalar(1, pa.int64())
    for most, units in ((SECONDS_BELOW, 10**3), (SECONDS_BELOW * 10**3, 10**6), (SECONDS_BELOW * 10**6, 10**9)):
        unit = pc.if_else(pc.greater_equal(since_1970, most), units, unit)
    return pc.divide(since_1970, unit)


def _dated(times: pa.TimestampArray) -> pa.TimestampArray:
    """Times that a photo can have. A date out of EARLIEST … LATEST is a mistake, or means that there is none."""
    bounds = pc.min_max(times.cast(pa.int64()))
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    if low is not None and not EARLIEST.timestamp() <= low <= high < LATEST.timestamp():
        raise _refuse(times)
    return times


def _time(value: object) -> datetime.datetime | None:
    if isinstance(value, datetime.date):  # or a datetime, which is one
        moment = datetime.datetime.fromisoformat(value.isoformat())
    elif isinstance(value, float):
        if math.isnan(value):
            return None
        moment = _since_1970(int(value))
    else:
        text = _text(value).strip()
        moment = _since_1970(int(text)) if re.fullmatch(r"\d{9,19}", text) else datetime.datetime.fromisoformat(text)
    utc = moment.replace(microsecond=0) if moment.tzinfo is None else moment.astimezone(datetime.UTC).replace(microsecond=0, tzinfo=None)
    if not EARLIEST <= utc.replace(tzinfo=datetime.UTC) < LATEST:
        raise ValueError("not a time that a photo can have")
    return utc


def _since_1970(units: int) -> datetime.datetime:
    while units >= SECONDS_BELOW:
        units //= 1000
    return datetime.datetime.fromtimestamp(units, datetime.UTC)


_TEXT = _Conversion(_whole_text, _text, empty_is_null=False)
_SIDE = _Conversion(_whole_number(0, 2**31 - 1, pa.int32()), _number(0, 2**31 - 1))
_CONVERSIONS = {
    "width": _SIDE,
    "height": _SIDE,
    "posted_at": _Conversion(_whole_time, _time),
}
