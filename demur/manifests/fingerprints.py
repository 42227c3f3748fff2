"""Computes missing fingerprints in parallel, in the sandbox: a manifest's pictures are strangers' files.

The caller's thread reads the files, in their order, so that a compressed tar is read once; the sandbox's processes decode them, each
within a time and a memory.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from demur.manifests.errors import PictureFileTooLarge, PictureMissing, WorkersCannotStart
from demur.manifests.pictures import read_picture
from demur.manifests.rejections import Reason
from demur.similarity.confinement import MEMORY
from demur.similarity.fingerprint import Fingerprint, PictureError, fingerprint
from demur.similarity.patient import PatientSandbox
from demur.similarity.sandbox import FINGERPRINTED, TIMEOUT_S, SandboxCannotStart

CHUNK = 16
"""Pictures between two calls of `advanced`."""


@dataclass(frozen=True)
class Failure:
    """Why one picture has no fingerprint."""

    reason: Reason
    message: str


Outcome = Fingerprint | Failure
Place = tuple[str, int]
"""(shard, row) of a picture, as in `pictures`."""


class FingerprintPool:
    """`workers` processes (default: one a core) of `memory` bytes each, started on first use; 0 computes in this process, unconfined.

    A picture that takes longer than `timeout` seconds is unreadable.
    """

    def __init__(
        self, root: Path, workers: int | None = None, memory: int = MEMORY, timeout: float = TIMEOUT_S, work: str = FINGERPRINTED
    ) -> None:
        self._root = root
        self._workers = len(os.sched_getaffinity(0)) if workers is None else workers
        self._sandbox = PatientSandbox(processes=max(self._workers, 1), timeout=timeout, memory=memory, work=work)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._sandbox.close()

    def compute(self, places: Sequence[Place], advanced: Callable[[int], None]) -> list[Outcome]:
        """Fingerprints in the order of `places`. `advanced` is told how many more pictures are done. Raises WorkersCannotStart."""
        outcomes: list[Outcome] = []
        try:
            for outcome in self._outcomes(places):
                outcomes.append(outcome)
                if len(outcomes) % CHUNK == 0:
                    advanced(CHUNK)
        except SandboxCannotStart as error:
            raise WorkersCannotStart(f"The processes that compute fingerprints cannot start: {error}") from error
        advanced(len(outcomes) % CHUNK)
        return outcomes

    def _outcomes(self, places: Sequence[Place]) -> Iterator[Outcome]:
        """As many files are in memory as there are processes, and one."""
        if self._workers == 0:
            yield from (self._read(place, fingerprint) for place in places)
            return
        with ThreadPoolExecutor(self._workers) as threads:
            under_way: deque[Future[Outcome]] = deque()
            for place in places:
                under_way.append(self._begin(threads, place))
                if len(under_way) > self._workers:
                    yield under_way.popleft().result()
            yield from (future.result() for future in under_way)

    def _begin(self, threads: ThreadPoolExecutor, place: Place) -> "Future[Outcome]":
        try:
            return threads.submit(_outcome, read_picture(self._root, *place), self._decoded)
        except (PictureMissing, PictureFileTooLarge) as error:
            known: Future[Outcome] = Future()
            known.set_result(_failure(error))
            return known

    def _decoded(self, data: bytes) -> Fingerprint:
        return self._sandbox.read(data).fingerprint

    def _read(self, place: Place, decoded: Callable[[bytes], Fingerprint]) -> Outcome:
        try:
            return _outcome(read_picture(self._root, *place), decoded)
        except (PictureMissing, PictureFileTooLarge) as error:
            return _failure(error)


def _outcome(data: bytes, decoded: Callable[[bytes], Fingerprint]) -> Outcome:
    try:
        return decoded(data)
    except PictureError as error:
        return _failure(error)
    except MemoryError:
        return Failure(Reason.UNREADABLE_PICTURE, "This picture needs too much memory to read.")


def _failure(error: PictureMissing | PictureFileTooLarge | PictureError) -> Failure:
    return Failure(Reason.MISSING_PICTURE if isinstance(error, PictureMissing) else Reason.UNREADABLE_PICTURE, str(error))
