"""Text columns as compiled loops read them: by address. An array that is handed on inside a loop is counted in and out every time, which
takes longer than comparing two keys."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from demur.similarity.kernels import compiled

Offsets = NDArray[np.signedinteger[Any]]  # int32 or int64
Secret = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


class Texts(NamedTuple):
    """Text i is the bytes from `base + offsets[i]` up to `base + offsets[i + 1]`, as long as the column is there that it was made of."""

    offsets: Offsets  # (n + 1,)
    base: np.uint64


def texts(column: pa.StringArray | pa.LargeStringArray) -> Texts:
    """Nothing is copied. A null is an empty text, or whatever stands in its place."""
    _, offsets, data = column.buffers()
    width: type[np.signedinteger[Any]] = np.int32 if pa.types.is_string(column.type) else np.int64
    places: Offsets = np.zeros(1, dtype=width)
    if offsets is not None and offsets.size:
        places = np.frombuffer(offsets, dtype=width)[column.offset : column.offset + len(column) + 1]
    places.flags.writeable = False  # else the loops would be compiled twice
    return Texts(places, np.uint64(data.address if data is not None else 0))


def hex_words(column: pa.LargeStringArray) -> NDArray[np.uint64]:
    """(n,) The numbers that texts of 16 hex digits stand for."""
    places, _ = texts(column)
    digits = memoryview(column.buffers()[2] or b"")[places[0] : places[-1]]
    return np.frombuffer(bytes.fromhex(str(digits, "ascii")), dtype=">u8").astype(np.uint64)


@intrinsic
def _word_at(_context: Any, _address: Any) -> Any:
    def emit(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load(place, align=1)

    return types.uint64(types.uint64), emit


@intrinsic
def _byte_at(_context: Any, _address: Any) -> Any:
    def emit(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        return builder.zext(builder.load(place), ir.IntType(64))

    return types.uint64(types.uint64), emit


@intrinsic
def _prefetch_at(_context: Any, _address: Any) -> Any:
    def emit(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place, flag = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer()), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, flag, flag, flag])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(fetch, [place, *(ir.Constant(flag, number) for number in (0, 3, 1))])  # to be read, kept in every cache, data
        return target.get_dummy_value()

    return types.void(types.uint64), emit


word_at = cast(Callable[[np.uint64], np.uint64], _word_at)
"""The eight bytes from an address on; their order is the machine's."""
byte_at = cast(Callable[[np.uint64], np.uint64], _byte_at)
"""The byte at an address."""
prefetch_at = cast(Callable[[np.uint64], None], _prefetch_at)
"""Starts to load the cache line at an address, and waits for nothing; the address need not be good."""


@compiled
def high(a: np.uint64, b: np.uint64) -> np.uint64:
    """The upper 64 of a product's 128 bits. The compiler knows the pattern, and makes it one multiplication."""
    shift, half = np.uint64(32), np.uint64(0xFFFFFFFF)
    low = (a & half) * (b & half)
    middle = (a >> shift) * (b & half) + (low >> shift)
    other = (a & half) * (b >> shift) + (middle & half)
    return (a >> shift) * (b >> shift) + (middle >> shift) + (other >> shift)


@compiled
def _folded(a: np.uint64, b: np.uint64) -> np.uint64:
    return high(a, b) ^ (a * b)


@compiled
def digest(start: np.uint64, stop: np.uint64, secret: Secret) -> np.uint64:
    """64 bits of the text between two addresses. Sixteen bytes at a time are multiplied into the state (as wyhash does), each half hidden
    by a secret, so that nobody can choose texts that collide."""
    word, pair = np.uint64(8), np.uint64(16)
    at, state, length = start, secret[0], stop - start
    while at + pair < stop:
        state = _folded(word_at(at) ^ secret[1], word_at(at + word) ^ state)
        at += pair
    first = last = np.uint64(0)
    if length >= pair:
        first, last = word_at(stop - pair), word_at(stop - word)
    elif length >= word:
        first, last = word_at(start), word_at(stop - word)
    else:
        for place in range(start, stop):
            first = (first << word) | byte_at(np.uint64(place))
    return _folded(_folded(first ^ secret[1], last ^ state) ^ secret[2], length ^ secret[3])


@compiled
def same(a: np.uint64, a_stop: np.uint64, b: np.uint64, b_stop: np.uint64) -> bool:
    """Whether the texts between two addresses each are the same, byte for byte."""
    word, one = np.uint64(8), np.uint64(1)
    if a_stop - a != b_stop - b:
        return False
    while a + word <= a_stop:
        if word_at(a) != word_at(b):
            return False
        a, b = a + word, b + word
    while a < a_stop and byte_at(a) == byte_at(b):
        a, b = a + one, b + one
    return bool(a == a_stop)
