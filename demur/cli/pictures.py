"""Pictures that a command is given, read in the decoding sandbox: most are strangers' files. Imported only where pictures are read."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from demur.files import FileTooLarge, read_file
from demur.manifests.pictures import MAX_BYTES
from demur.similarity.decoding import PictureTooLarge
from demur.similarity.formats import PictureError
from demur.similarity.patient import PatientSandbox
from demur.similarity.sandbox import DESCRIBED, FINGERPRINTED, Picture, Sandbox


def read_pictures(files: Sequence[Path], *, under_edits: bool) -> Iterator[tuple[Path, Picture | PictureError]]:
    """What is known of each file, in their order, or why it has no fingerprint; `under_edits` with what to search it by.

    Raises SandboxCannotStart; OSError: a file cannot be read.
    """
    processes = min(len(os.sched_getaffinity(0)), len(files))
    work = DESCRIBED if under_edits else FINGERPRINTED
    with (
        PatientSandbox(processes=processes, work=work) as sandbox,
        ThreadPoolExecutor(processes) as threads,
    ):
        yield from zip(files, threads.map(lambda file: _read(sandbox, file), files), strict=True)


def _read(sandbox: Sandbox, file: Path) -> Picture | PictureError:
    try:
        return sandbox.read(read_file(file, MAX_BYTES))
    except FileTooLarge:
        return PictureTooLarge(f"This picture's file is larger than {MAX_BYTES >> 20} MiB.")
    except PictureError as error:
        return error
