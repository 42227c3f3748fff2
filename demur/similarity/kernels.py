"""What the compiled loops over hashes share: a decorator, and counting the bits that differ."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Machine code that lets other threads run; kept on disk where a place for it can be written, else made again by every process."""
    try:
        return numba.njit(function, cache=True, nogil=True)
    except RuntimeError:
        return numba.njit(function, nogil=True)


@intrinsic
def _bits(_context: Any, _word: Any) -> Any:
    def emit(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), emit


popcount = cast(Callable[[np.uint64], int], _bits)
"""How many bits of a word are set, by the one instruction that the processor has for it (many words at once under AVX-512)."""


@compiled
def turned(word: np.uint64, bits: np.uint64) -> np.uint64:
    """`word` rotated left by 0 to 63 bits."""
    return (word << bits) | (word >> ((np.uint64(64) - bits) & np.uint64(63)))
