"""What the compiled loops over hashes share: a decorator, and counting the bits that differ."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Machine code that lets other threads run; kept on disk where a place for it can be written, else made again by every process."""
    try:
        return numba.njit(function, cache=True, nogil=True)
    except RuntimeError:
        return numba.njit(function, nogil=True)


@intrinsic
def _popcount(_context: Any, _word: Any) -> Any:
    def emit(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), emit


@intrinsic
def _prefetch(_context: Any, array: Any, _index: Any) -> Any:
    def emit(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        entries = target.make_array(signature.args[0])(target, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(entries, [arguments[1]]), cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [place.type, *[cgutils.int32_t] * 3])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        read, keep, data = (ir.Constant(cgutils.int32_t, number) for number in (0, 3, 1))
        builder.call(fetch, [place, read, keep, data])
        return target.get_dummy_value()

    return types.void(array, types.intp), emit


popcount = cast(Callable[[np.uint64], int], _popcount)
"""How many bits of a word are set, by the one instruction that the processor has for it (many words at once under AVX-512)."""


prefetch = cast(Callable[[NDArray[Any], int | np.integer[Any]], None], _prefetch)
"""Starts to load the cache line with entry `index` of an array, and waits for nothing."""


@compiled
def turned(word: np.uint64, bits: np.uint64) -> np.uint64:
    """`word` rotated left by 0 to 63 bits."""
    return (word << bits) | (word >> ((np.uint64(64) - bits) & np.uint64(63)))
