"""Pictures as training sees them, made in the decoding sandbox: a manifest's pictures are strangers' files.

The sandbox's processes import this module, so that it must not import torch.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from demur.similarity.sandbox import DecoderCrashed, Sandbox
from demur.similarity.showing import shown

PICTURES = 5000
"""A process is replaced after so many."""
_PATIENCE_S = 3600.0


class Shrinking:
    """Makes squares of `px` pixels a side in `processes` sandboxed processes. Usable by as many threads."""

    def __init__(self, px: int, processes: int) -> None:
        self._px = px
        self._sandbox = Sandbox(processes=processes, wait=_PATIENCE_S, pictures=PICTURES, work=f"{__name__}:shrunk:{px}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._sandbox.close()

    def pixels(self, data: bytes) -> NDArray[np.uint8]:
        """A picture file as (3, px, px) RGB, whole, centred on white. Raises PictureError, SandboxCannotStart.

        A decoder that dies is tried once more: the kernel may have killed it for another's memory, and samples must not depend on that.
        """
        try:
            answer = self._sandbox.ask(data)
        except DecoderCrashed:
            answer = self._sandbox.ask(data)
        if len(answer) != 3 * self._px**2:
            raise DecoderCrashed("This picture file cannot be read: its decoder answered nonsense.")
        return np.frombuffer(answer, np.uint8).reshape(3, self._px, self._px).copy()


def shrunk(data: bytes, px: int) -> bytes:
    """What a process does: the (3, px, px) bytes. Raises PictureError."""
    square = ImageOps.pad(shown(data, 2 * px), (px, px), Image.Resampling.LANCZOS, color="white")
    return np.asarray(square).transpose(2, 0, 1).tobytes()
