"""Computes missing fingerprints in parallel: a pool of processes, each with its own decoder.

A manifest's pictures are strangers' files, so the processes are confined: so much memory, files to read alone, no connection, no program.
A decoder that dies (a crash, the kernel's memory killer) breaks its pool. The pool is then made anew, the pictures that were under
way are tried again one at a time, and the one that breaks the pool once more is rejected as unreadable.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from demur.manifests.errors import PictureFileTooLarge, PictureMissing, WorkersCannotStart
from demur.manifests.pictures import read_picture
from demur.manifests.rejections import Reason
from demur.similarity.confinement import MEMORY, confine, prepare
from demur.similarity.fingerprint import Fingerprint, PictureError, fingerprint

CHUNK = 16


@dataclass(frozen=True)
class Failure:
    """Why one picture has no fingerprint."""

    reason: Reason
    message: str


Outcome = Fingerprint | Failure
Place = tuple[str, int]
"""(shard, row) of a picture, as in `pictures`."""


class FingerprintPool:
    """`workers` processes (default: one a core) of `memory` bytes each, started on first use; 0 computes in this process, unconfined."""

    def __init__(self, root: Path, workers: int | None = None, memory: int = MEMORY) -> None:
        self._root, self._memory = root, memory
        self._workers = len(os.sched_getaffinity(0)) if workers is None else workers
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def compute(self, places: Sequence[Place], advanced: Callable[[int], None]) -> list[Outcome]:
        """Fingerprints in the order of `places`. `advanced` is told how many more pictures are done."""
        outcomes: list[Outcome] = []
        for chunk in self._chunks(places):
            outcomes.extend(chunk)
            advanced(len(chunk))
        return outcomes

    def _chunks(self, places: Sequence[Place]) -> Iterator[list[Outcome]]:
        chunks = [places[start : start + CHUNK] for start in range(0, len(places), CHUNK)]
        if self._workers == 0:
            yield from (fingerprint_all(self._root, chunk) for chunk in chunks)
            return
        while chunks:
            try:
                futures = [self._submit(chunk) for chunk in chunks]
                for future in futures:
                    finished = future.result()
                    chunks = chunks[1:]
                    yield finished
            except BrokenProcessPool:
                self._stop()
                suspects, chunks = chunks[0], chunks[1:]
                yield [self._alone(place) for place in suspects]

    def _submit(self, chunk: Sequence[Place]) -> "Future[list[Outcome]]":
        if self._executor is None:
            self._executor = _started(self._workers, self._memory)
        return self._executor.submit(fingerprint_all, self._root, chunk)

    def _alone(self, place: Place) -> Outcome:
        try:
            return self._submit([place]).result()[0]
        except BrokenProcessPool:
            self._stop()
            return Failure(Reason.UNREADABLE_PICTURE, "The process that decoded this picture died.")

    def _stop(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None


def _started(workers: int, memory: int) -> ProcessPoolExecutor:
    """A pool that has shown it can work: one that never starts would look like a decoder that dies at every picture."""
    executor = ProcessPoolExecutor(workers, multiprocessing.get_context("forkserver"), _confine, (memory,))
    try:
        executor.submit(os.getpid).result()
    except BrokenProcessPool as error:
        executor.shutdown()
        raise WorkersCannotStart(
            "The processes that compute fingerprints cannot start. In a script of your own, call import_manifest below "
            'if __name__ == "__main__", or with workers=0.'
        ) from error
    return executor


def _confine(memory: int) -> None:
    prepare(fingerprint)
    confine(memory, reads_files=True)


def fingerprint_all(root: Path, places: Sequence[Place]) -> list[Outcome]:
    """What each worker does."""
    return [_fingerprint_one(root, shard, row) for shard, row in places]


def _fingerprint_one(root: Path, shard: str, row: int) -> Outcome:
    try:
        return fingerprint(read_picture(root, shard, row))
    except PictureMissing as error:
        return Failure(Reason.MISSING_PICTURE, str(error))
    except (PictureFileTooLarge, PictureError) as error:
        return Failure(Reason.UNREADABLE_PICTURE, str(error))
    except MemoryError:
        return Failure(Reason.UNREADABLE_PICTURE, "This picture needs too much memory to read.")
