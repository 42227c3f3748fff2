"""Pictures as training sees them, made in the decoding sandbox: a manifest's pictures are strangers' files.

The sandbox's processes import this module, so that it must not import torch.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from demur.similarity.patient import PatientSandbox
from demur.similarity.sandbox import DecoderCrashed
from demur.similarity.showing import shown


class Shrinking:
    """Makes squares of `px` pixels a side in `processes` sandboxed processes. Usable by as many threads."""

    def __init__(self, px: int, processes: int) -> None:
        self._px = px
        self._sandbox = PatientSandbox(processes=processes, work=f"{__name__}:shrunk:{px}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._sandbox.close()

    def pixels(self, data: bytes) -> NDArray[np.uint8]:
        """A picture file as (3, px, px) RGB, whole, centred on white. Raises PictureError, SandboxCannotStart."""
        answer = self._sandbox.ask(data)
        if len(answer) != 3 * self._px**2:
            raise DecoderCrashed("This picture file cannot be read: its decoder answered nonsense.")
        return np.frombuffer(answer, np.uint8).reshape(3, self._px, self._px).copy()


def shrunk(data: bytes, px: int) -> bytes:
    """What a process does: the (3, px, px) bytes. Raises PictureError."""
    square = ImageOps.pad(shown(data, 2 * px), (px, px), Image.Resampling.LANCZOS, color="white")
    return np.asarray(square).transpose(2, 0, 1).tobytes()
