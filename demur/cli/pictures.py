"""Pictures that a command is given, read in the decoding sandbox: most are strangers' files. Imported only where pictures are read."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from demur.manifests.pictures import MAX_BYTES
from demur.similarity.decoding import PictureTooLarge
from demur.similarity.formats import PictureError
from demur.similarity.sandbox import DESCRIBED, FINGERPRINTED, Picture, Sandbox

PICTURES = 5000
"""A process is replaced after so many."""
_PATIENCE_S = 3600.0


def read_pictures(files: Sequence[Path], *, under_edits: bool) -> Iterator[tuple[Path, Picture | PictureError]]:
    """What is known of each file, in their order, or why it has no fingerprint; `under_edits` with what to search it by.

    Raises SandboxCannotStart; OSError: a file cannot be read.
    """
    processes = min(len(os.sched_getaffinity(0)), len(files))
    work = DESCRIBED if under_edits else FINGERPRINTED
    with (
        Sandbox(processes=processes, wait=_PATIENCE_S, pictures=PICTURES, work=work) as sandbox,
        ThreadPoolExecutor(processes) as threads,
    ):
        yield from zip(files, threads.map(lambda file: _read(sandbox, file), files), strict=True)


def _read(sandbox: Sandbox, file: Path) -> Picture | PictureError:
    try:
        return sandbox.read(_contents(file))
    except PictureError as error:
        return error


def _contents(file: Path) -> bytes:
    with file.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise PictureTooLarge(f"This picture's file is larger than {MAX_BYTES >> 20} MiB.")
    return data
