"""Looks at pictures in the decoding sandbox: what is filtered are strangers' files, too."""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from demur.similarity.fingerprint import Fingerprint, PictureError
from demur.similarity.patient import PatientSandbox
from demur.similarity.sandbox import FINGERPRINTED


@cache
def _sandbox() -> PatientSandbox:
    """One for this process, kept to its end. A data loader's worker is one of many, and has one decoder."""
    processes = len(os.sched_getaffinity(0)) if multiprocessing.parent_process() is None else 1
    return PatientSandbox(processes=processes, work=FINGERPRINTED)


def fingerprints(pictures: Sequence[bytes]) -> list[Fingerprint | None]:
    """Of each picture, in order; None of one that cannot be decoded within the sandbox's time and memory.

    Raises SandboxBusy, SandboxCannotStart: nothing was looked at.
    """
    if len(pictures) < 2:
        return [_fingerprint(picture) for picture in pictures]
    with ThreadPoolExecutor(min(_sandbox().processes, len(pictures))) as threads:
        return list(threads.map(_fingerprint, pictures))


def _fingerprint(picture: bytes) -> Fingerprint | None:
    try:
        return _sandbox().read(picture).fingerprint
    except PictureError:
        return None
