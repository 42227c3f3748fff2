"""What the benchmarks of the similarity index share: an index over realistic hashes with planted near duplicates, and cold files."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from bench._hashes import Corpus
from demur.similarity.segment import MAX_RADIUS, Segment
from demur.similarity.tables.errors import NotAnIndex

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
CHUNK_ROWS = 1 << 20
PLANTED = 16
"""Pictures of which one copy is planted at each distance from 0 to MAX_RADIUS bits."""
DISK_BYTES = 31
"""What building takes at most, a row: the index itself, 28 bytes and a little, and what is not yet merged or given back."""


class Planted:
    """A corpus in which some rows, in random places, are copies of `queries` at known distances."""

    def __init__(self, rows: int) -> None:
        self.rows, self._corpus = rows, Corpus(rows)
        rng = np.random.default_rng(1)
        self.queries = Corpus(PLANTED, seed=1).hashes(0, PLANTED)
        copies = [_flipped(rng, query, distance) for query in self.queries for distance in range(MAX_RADIUS + 1)]
        self._places = np.sort(rng.choice(rows, min(rows, len(copies)), replace=False))
        self._copies = np.array(copies, dtype=np.uint64)[: len(self._places)]

    def hashes(self, start: int, stop: int) -> U64:
        hashes = self._corpus.hashes(start, stop)
        inside = (self._places >= start) & (self._places < stop)
        hashes[self._places[inside] - start] = self._copies[inside]
        return hashes

    def batches(self) -> Iterator[tuple[U64, U32]]:
        for start in range(0, self.rows, CHUNK_ROWS):
            stop = min(self.rows, start + CHUNK_ROWS)
            yield self.hashes(start, stop), np.arange(start, stop, dtype=np.uint32)

    def sample(self, count: int) -> U64:
        """Hashes of rows that lie evenly through the corpus."""
        return np.concatenate([self.hashes(row, row + 1) for row in np.linspace(0, self.rows - 1, count).astype(np.int64).tolist()])


def _flipped(rng: np.random.Generator, phash: np.uint64, bits: int) -> int:
    return int(phash) ^ sum(1 << int(bit) for bit in rng.choice(64, bits, replace=False))


@dataclass(frozen=True)
class Built:
    """Seconds that the build took, and its process's peak resident memory in GB (10⁹ bytes)."""

    build_s: float
    peak_gb: float


@contextmanager
def index_of(rows: int, scratch: Path, keep: bool, say: Callable[[str], None]) -> Iterator[tuple[Path, Built]]:
    """The index of `Planted(rows)`, kept from an earlier run; or built in a fresh process, and in the end removed unless it is to be kept.

    Raises click.ClickException where the disk is too small.
    """
    path, notes = scratch / f"similarity-{rows}", scratch / f"similarity-{rows}.json"
    try:
        Segment.open(path).close()
        keep = True
        say(f"{path} was kept by an earlier run")
    except NotAnIndex:
        _refuse_without_space(rows, scratch)
        say(f"building an index of {rows:,} rows in {path}")
        notes.write_text(json.dumps(asdict(_timed_build(rows, path))))
    try:
        yield path, Built(**json.loads(notes.read_text()))
    finally:
        if not keep:
            shutil.rmtree(path)
            notes.unlink()


def _refuse_without_space(rows: int, scratch: Path) -> None:
    needed, free = rows * DISK_BYTES, shutil.disk_usage(scratch).free
    if free < needed:
        raise click.ClickException(
            f"Building an index of {rows:,} rows takes {needed / 1e9:.0f} GB of disk, and {scratch} has {free / 1e9:.0f} GB free. "
            "Choose another place with --scratch, or fewer rows with --rows."
        )


def _timed_build(rows: int, path: Path) -> Built:
    import time

    started = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "bench.lookup", "--step", "build", "--rows", str(rows), "--scratch", str(path)])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise click.ClickException("The build failed; what it said stands above.")
    return Built(round(time.monotonic() - started, 2), round(usage.ru_maxrss * 1024 / 1e9, 3))


def drop_from_memory(directory: Path) -> None:
    """Has the kernel forget the files' pages; those that a process has mapped stay, so nothing may have them open."""
    for path in directory.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def bytes_read() -> int:
    """From the disk, by this process, so far (Linux)."""
    return _number("/proc/self/io", "read_bytes:")


def anonymous_gb() -> float:
    """Memory of this process that belongs to no file, in GB (10⁹ bytes), now."""
    return _number("/proc/self/status", "RssAnon:") * 1024 / 1e9


def _number(path: str, name: str) -> int:
    return next(int(line.split()[1]) for line in Path(path).read_text().splitlines() if line.startswith(name))
