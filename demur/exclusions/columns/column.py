"""One key column: the names it may have, the types that can be compared, and how its values are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demur.exclusions.columns.reading import BadKeyColumn, Misspelled, Reading, faults_of
from demur.exclusions.columns.spellings import NESTED

Test = Callable[[pa.DataType], bool]

_TEXT: tuple[Test, ...] = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_OCTETS: tuple[Test, ...] = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
TEXT_OR_OCTETS: tuple[Test, ...] = (*_TEXT, *_OCTETS, pa.types.is_null)
WIDE_NUMBERS: tuple[Test, ...] = (pa.types.is_int64, pa.types.is_uint64, lambda kind: pa.types.is_decimal(kind) and kind.precision >= 19)
"""Those that can hold 64 bits."""
NUMBERS: tuple[Test, ...] = (pa.types.is_integer, pa.types.is_decimal, pa.types.is_floating)
_NARROW = {pa.float16(): np.float16, pa.float32(): np.float32}
"""Floats that hold fewer whole numbers than Python's: their values keep their type."""
_VIEWS = ((pa.types.is_string_view, pa.large_string()), (pa.types.is_binary_view, pa.large_binary()))


@dataclass(frozen=True)
class KeyColumn:
    """By what a column of a manifest is known as that of one kind of key, and what its values mean.

    Attributes:
        name: ours, that of the entries it is compared with.
        aliases: the names that manifests give it, best first; case and blanks around do not count.
        comparable: the Arrow types of which some value at least can be read. A column of any other is refused.
        canonical: the type of its values in a catalogue.
        whole: reads an array of a common spelling; None where its values must be read one by one.
        value: reads one value that is there; None for one that stands for none. Raises Misspelled.
    """

    name: str
    aliases: tuple[str, ...]
    comparable: tuple[Test, ...]
    canonical: pa.DataType
    whole: Callable[[pa.Array], pa.Array | None]
    value: Callable[[object], Any]

    def read(self, column: pa.Array | pa.ChunkedArray) -> Reading:
        """The column's values: text of either length of offsets, whole numbers that are identifiers as numbers, else `canonical`.

        Raises BadKeyColumn for a type of which no value could be read: such a column would silently exclude nothing.
        """
        plain = _plain(column)
        if not self.takes(plain.type):
            raise BadKeyColumn(f"a column of {column.type} cannot be compared with the list's entries by {self.name}")
        if pa.types.is_null(plain.type):
            return Reading(pa.nulls(len(plain), self.canonical))
        whole = self.whole(plain)
        return Reading(whole) if whole is not None else self._one_by_one([partial(_value, scalar) for scalar in plain])

    def read_values(self, values: Sequence[object]) -> Reading:
        """Python's values, of whatever types, None where there is none."""
        try:
            column = pa.array(values)
            if self.takes(_plain(column).type):
                return self.read(column)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            pass
        return self._one_by_one([partial(_itself, value) for value in values])

    def takes(self, kind: pa.DataType) -> bool:
        """Whether any value of the type can be read."""
        return any(test(kind) for test in self.comparable)

    def _one_by_one(self, values: Sequence[Callable[[], object]]) -> Reading:
        read: list[object] = []
        reasons: dict[int, tuple[str, str]] = {}
        for position, get in enumerate(values):
            value: object = None
            try:
                value = get()
                read.append(None if value is None or value in ("", b"") else self.value(value))
            except Misspelled as error:
                read.append(None)
                reasons[position] = f"{self.name}: {error}", f"{value!r:.80}"
        return Reading(pa.array(read, self.canonical), faults_of(reasons))


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array without dictionary, extension, view, or the object around a nested id."""
    kind = column.type
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else _joined(column)
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(column.storage)
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if pa.types.is_struct(kind) and kind.num_fields == 1 and kind.field(0).name in NESTED:
        return _plain(pc.struct_field(column, [0]))
    return next((column.cast(wide) for is_view, wide in _VIEWS if is_view(kind)), column)


def _joined(column: pa.ChunkedArray) -> pa.Array:
    """Text with 64-bit offsets, since those of 32 bits end at 2 GiB."""
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        column = column.cast(pa.large_string() if pa.types.is_string(column.type) else pa.large_binary())
    joined = column.combine_chunks()
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)


def _value(scalar: pa.Scalar) -> object:
    try:
        value = scalar.as_py()
        return _NARROW[scalar.type](value) if value is not None and scalar.type in _NARROW else value
    except UnicodeDecodeError as error:
        raise Misspelled("bytes that are not UTF-8 text") from error


def _itself(value: object) -> object:
    return value
