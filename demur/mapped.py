"""Arrays that live in files and are read without being loaded."""

from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)


def map_array(path: Path, scalar: type[Scalar]) -> npt.NDArray[Scalar]:
    """A whole little-endian file as a read-only array; an empty file, which cannot be mapped, as an empty one. Raises OSError."""
    dtype = np.dtype(scalar).newbyteorder("<")
    if path.stat().st_size == 0:
        return np.empty(0, dtype=dtype)
    mapped: npt.NDArray[Scalar] = np.memmap(path, dtype=dtype, mode="r")
    return mapped
