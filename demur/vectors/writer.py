"""The directory of a manifest's vectors, and the order of writing that a crash cannot harm.

First the two files, under names that say their content, so that none ever changes; then the head in one step; and only then are files
removed that no head of the last KEPT_VERSIONS speaks of. A crash leaves the old head or the new one, each with its files, and at worst
files of neither, which the next publication removes.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from demur.digests import sha256_file
from demur.exclusions.entries import FileDigest
from demur.exclusions.rotation import ROTATIONS_FILE, Keyring
from demur.files import atomic_write, sync
from demur.signing import SigningKey, peek_envelope
from demur.vectors import rules
from demur.vectors.head import PAYLOAD_TYPE, VectorsHead
from demur.vectors.reader import HEAD_FILE, file_name
from demur.vectors.tables import Line, Table, write_table

LOCK, HEADS = "writer.lock", "heads"
KEPT_VERSIONS = 8
"""How many versions' files stay, the newest included: who has read a head a moment ago still finds what it names."""


@dataclass(frozen=True)
class VectorsDirectory:
    """Its one writer. Made by `locked`."""

    path: Path

    @classmethod
    @contextmanager
    def locked(cls, path: Path) -> Iterator["VectorsDirectory"]:
        """Waits for another writer to end; makes the directory if there is none. Raises OSError."""
        (path / HEADS).mkdir(parents=True, exist_ok=True)
        with (path / LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield cls(path)

    def newest(self, keys: Keyring) -> VectorsHead | None:
        """The newest head; None before the first. Raises ListRefused, OSError."""
        return newest_head(self.path, keys)

    def holds(self, file: FileDigest) -> bool:
        """Whether a file is there, and as it was written. Raises OSError."""
        path = self.path / file_name(file.sha256)
        return path.exists() and path.stat().st_size == file.size and sha256_file(path) == file.sha256

    def table(self, file: FileDigest, schema: pa.Schema) -> Table:
        """One of the files, mapped. Raises BadVectors."""
        return Table(self.path / file_name(file.sha256), schema)

    def write(self, schema: pa.Schema, lines: Iterable[Line]) -> tuple[FileDigest, int]:
        """Writes one of the files, durably, and returns what the head is to say of it, and the sum of its numbers. Raises OSError."""
        with tempfile.TemporaryDirectory(prefix=".scratch-", dir=self.path) as scratch:
            file = Path(scratch) / "table.parquet"
            total = write_table(file, schema, lines)
            sync(file)
            written = FileDigest(sha256_file(file), file.stat().st_size)
            os.replace(file, self.path / file_name(written.sha256))
        sync(self.path)
        return written, total

    def publish(self, head: VectorsHead, key: SigningKey) -> None:
        """Makes a head, whose files are written, the newest for readers, in one step; durable once it returns. Raises OSError."""
        envelope = key.sign(head.payload(), PAYLOAD_TYPE)
        atomic_write(self.path / HEADS / f"{head.list.version}.dsse.json", envelope)
        atomic_write(self.path / HEAD_FILE, envelope)
        self._prune()

    def _prune(self) -> None:
        heads = sorted((self.path / HEADS).glob("*.dsse.json"), key=lambda file: int(file.name.partition(".")[0]))
        for file in heads[:-KEPT_VERSIONS]:
            file.unlink()
        kept = [VectorsHead.parse(peek_envelope(file.read_bytes())[1]) for file in [*heads[-KEPT_VERSIONS:], self.path / HEAD_FILE]]
        named = {file_name(file.sha256) for head in kept for file in (head.shards, head.deletions)}
        for path in (*self.path.iterdir(), *(self.path / HEADS).iterdir()):
            if path.name.startswith(".") or (path.suffix == ".parquet" and path.name not in named):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def newest_head(path: Path, keys: Keyring) -> VectorsHead | None:
    """The newest head in a manifest's directory; None before the first.

    Raises ListRefused: what is there is damaged, or signed by another key than the list's; OSError.
    """
    try:
        envelope = (path / HEAD_FILE).read_bytes()
    except FileNotFoundError:
        return None
    return rules.open_head(envelope, keys)


def copy_rotations(list_dir: Path, vectors_dir: Path) -> None:
    """Puts how the list's key changed beside the vectors of all manifests, before any of them is signed by a new key. Raises OSError."""
    rotations, copy = list_dir / ROTATIONS_FILE, vectors_dir / ROTATIONS_FILE
    if rotations.exists() and not (copy.exists() and copy.read_bytes() == rotations.read_bytes()):
        vectors_dir.mkdir(parents=True, exist_ok=True)
        atomic_write(copy, rotations.read_bytes())
