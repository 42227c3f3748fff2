"""Columns in one of the common spellings, read as a whole: no value becomes a Python object.

Each function takes an array without dictionary and extension, and returns it in its canonical form, or None where that must be found out
value by value.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from demur.exclusions.columns.paths import plain_paths
from demur.exclusions.columns.scanning import all_hex, seen_in, trimmed, trimmed_and_seen
from demur.exclusions.columns.spellings import NO_VALUES, exact_below
from demur.text_rules import LONGEST_BYTES

_NUMBERS = r"[+-]?[0-9]\.?[0-9]*[eE]\+[0-9]{1,3}|-?[0-9]{16,}\.0"
ODD = {"uid": f"^(?:{_NUMBERS}|{'|'.join(map(re.escape, NO_VALUES))})$", "owner": f"^(?:{_NUMBERS})$"}
"""Of trimmed text, what is read value by value."""
_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def identifiers(kind: str, column: pa.Array) -> pa.Array | None:
    """Whole numbers stay numbers."""
    if column.type == pa.binary(16):
        return _uuids(column)
    return addresses(kind, column)


def addresses(kind: str, column: pa.Array) -> pa.Array | None:
    """Whole numbers stay numbers."""
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        if pc.any(pc.equal(pc.binary_length(column), 16)).as_py():  # which may be UUIDs
            return None
        column = column.view(pa.large_string() if pa.types.is_large_binary(column.type) else pa.string())
    return _text(kind, column) if _is_text(column.type) else _whole_numbers(column)


def sha256(column: pa.Array) -> pa.Array | None:
    if column.type == pa.binary(32):
        return _hex(column, 32)
    return column if _is_text(column.type) and all_hex(column, 64) else None


def phash(column: pa.Array) -> pa.Array | None:
    if pa.types.is_uint64(column.type):
        return column
    if pa.types.is_int64(column.type):  # what databases without unsigned numbers store
        return column.view(pa.uint64())
    return _unsigned(column) if pa.types.is_decimal128(column.type) and column.type.scale == 0 else None


def pdq(column: pa.Array) -> pa.Array | None:
    if column.type == pa.binary(32):
        return column
    if pa.types.is_binary(column.type) and pc.all(pc.equal(pc.binary_length(column), 32)).as_py() is not False:
        text = pc.match_substring_regex(column, "^[0-9a-fA-F]*$")  # 64 hex digits of another hash, cut in half, are no PDQ
        return column.cast(pa.binary(32)) if pc.any(text).as_py() is not True else None
    return None


def quality(column: pa.Array) -> pa.Array | None:
    """Percents. Fractions of 1 are told by one that is neither 0 nor 1; a column of nothing but 0.0 and 1.0 could be either."""
    column = _numbers_in(column) if _is_text(column.type) else column
    if not pa.types.is_floating(column.type):
        return _percent(column) if pa.types.is_integer(column.type) else None
    numbers = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column).cast(pa.float64())
    bounds = pc.min_max(numbers)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    if high is not None and low >= 0 and high <= 1 and pc.any(pc.not_equal(numbers, pc.round(numbers))).as_py():
        numbers = pc.round(pc.multiply(numbers, 100.0))
    elif high == 1:
        return None
    return _percent(numbers)


def _numbers_in(column: pa.Array) -> pa.Array:
    """Text as whole numbers from 0 to 100, or as floats; as it is where it is neither."""
    text = trimmed(column, seen) if (seen := seen_in(column)) else column
    for kind in (pa.uint8(), pa.float64()):
        try:
            numbers = text.cast(kind)
        except pa.ArrowInvalid:
            continue
        return numbers
    return column


def _unsigned(column: pa.Array) -> pa.Array | None:
    """Decimals, as which Spark reads unsigned numbers."""
    data = column.fill_null(0).cast(pa.decimal128(38, 0)).buffers()[1]
    words = np.frombuffer(data, dtype="<u8", count=2 * len(column)) if data is not None else np.zeros(0, dtype="<u8")
    if words[1::2].any():  # negative, or of more than 64 bits
        return None
    return pa.array(words[::2].copy(), mask=~column.is_valid().to_numpy(zero_copy_only=False))


def _percent(column: pa.Array) -> pa.Array | None:
    bounds = pc.min_max(column)
    if bounds["min"].is_valid and not 0 <= bounds["min"].as_py() <= bounds["max"].as_py() <= 100:
        return None
    try:
        return column.cast(pa.uint8())
    except pa.ArrowInvalid:  # not whole
        return None


def _text(kind: str, column: pa.Array) -> pa.Array | None:
    seen = seen_in(column)
    if seen is None or seen.nul or seen.longest > LONGEST_BYTES[kind]:
        return None
    if kind == "url":
        return trimmed(column, seen)
    plain, seen = trimmed_and_seen(column, seen)
    if seen.odd and pc.any(pc.match_substring_regex(plain, ODD[kind])).as_py():
        return None
    return plain_paths(plain, seen) if kind == "uid" else plain


def _whole_numbers(column: pa.Array) -> pa.Array | None:
    if pa.types.is_decimal(column.type):
        return column.cast(pa.string()) if column.type.scale == 0 else None
    if not pa.types.is_floating(column.type):
        return column if pa.types.is_integer(column.type) else None
    exact = exact_below(column.type.to_pandas_dtype())
    numbers = column.cast(pa.float64())
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    bounds = pc.min_max(numbers)
    if bounds["min"].is_valid and not -exact < bounds["min"].as_py() <= bounds["max"].as_py() < exact:
        return None
    try:
        return numbers.cast(pa.int64())
    except pa.ArrowInvalid:  # not whole
        return None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _octets(column: pa.Array, size: int) -> NDArray[np.uint8]:
    """(n, size) uint8."""
    data = column.buffers()[1]
    if data is None or len(column) == 0:
        return np.zeros((len(column), size), dtype=np.uint8)
    return np.frombuffer(data, dtype=np.uint8)[size * column.offset : size * (column.offset + len(column))].reshape(-1, size)


def _hex(column: pa.Array, size: int) -> pa.Array:
    octets = _octets(column, size)
    return _texts_of(np.stack([_DIGITS[octets >> 4], _DIGITS[octets & 15]], axis=2).reshape(-1, 2 * size), column)


def _uuids(column: pa.Array) -> pa.Array:
    octets = _octets(column, 16)
    digits = np.stack([_DIGITS[octets >> 4], _DIGITS[octets & 15]], axis=2).reshape(-1, 32)
    text = np.full((len(column), 36), ord("-"), dtype=np.uint8)
    for ours, theirs, length in ((0, 0, 8), (9, 8, 4), (14, 12, 4), (19, 16, 4), (24, 20, 12)):
        text[:, ours : ours + length] = digits[:, theirs : theirs + length]
    return _texts_of(text, column)


def _texts_of(characters: NDArray[np.uint8], column: pa.Array) -> pa.Array:
    """(n, length) ASCII as text; null where the column is."""
    length = characters.shape[1]
    offsets = np.arange(0, length * len(characters) + 1, length, dtype=np.int64)
    whole = pa.LargeStringArray.from_buffers(len(characters), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(characters)))
    return pc.if_else(column.is_valid(), whole, pa.scalar(None, pa.large_string())) if column.null_count else whole
