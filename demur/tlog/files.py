"""The log's directory, as its operator writes it. Readers see the old checkpoint or the new one, each with its tiles.

What is durable before what is promised: ``append`` writes tiles and bundles, forces them to the disk, and only then
replaces the checkpoint. A crash in between leaves tiles that no checkpoint speaks of; the same leaves, appended again, give the same bytes.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from demur.errors import DemurError
from demur.exclusions.sources import DirectorySource
from demur.files import alone_in, atomic_write, sync
from demur.signing import SigningKey, VerifyKey
from demur.tlog import merkle
from demur.tlog.checkpoint import LogCheckpoint
from demur.tlog.reader import CHECKPOINT_FILE, LogReader
from demur.tlog.tiles import HEIGHT, WIDTH, Tile, TiledTree, bundle, bundles_between, tiles_between


class LogBroken(DemurError):
    """The log's files are not what its checkpoint says: nothing may be added before they are restored."""


class LogMovedOn(DemurError):
    """The cosigned tree is not the newest any more."""


class LogFiles:
    """The files of one log. Appending processes wait for each other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.read = DirectorySource(directory).read

    def checkpoint(self, key: VerifyKey) -> LogCheckpoint | None:
        """The newest checkpoint, as a LogReader reads it."""
        return LogReader(self.read, key).checkpoint()

    def append(self, leaves: Sequence[bytes], at: int, key: SigningKey) -> LogCheckpoint:
        """Adds leaves of 32 bytes, of which the first has the index ``at``; durable and promised once it returns.

        Leaves that the log has already are skipped, so that two who append the same do no harm. Raises LogBroken (a gap before ``at``, or
        files that contradict the checkpoint), OSError.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with alone_in(self.directory):
            before = self.checkpoint(key.verifier) or LogCheckpoint(key.name, 0, merkle.EMPTY_ROOT)
            if at > before.size:
                raise LogBroken(f"the log has {before.size} leaves, so leaf {at} cannot be next")
            fresh = list(leaves[before.size - at :])
            if not fresh and before.signatures:
                return before
            return self._extend(before, fresh, key)

    def cosign(self, cosigned: LogCheckpoint, key: VerifyKey) -> None:
        """Adds signatures, which the caller has verified, to the newest checkpoint. Raises LogMovedOn, OSError."""
        with alone_in(self.directory):
            newest = self.checkpoint(key)
            if newest is None or (newest.size, newest.root) != (cosigned.size, cosigned.root):
                raise LogMovedOn(f"the log has another tree than the one of {cosigned.size} leaves by now; witness it again")
            own = [line for line in cosigned.signatures if not line.by(key)]
            atomic_write(self.directory / CHECKPOINT_FILE, str(newest.merged(own)).encode())

    def _extend(self, before: LogCheckpoint, fresh: list[bytes], key: SigningKey) -> LogCheckpoint:
        size = before.size + len(fresh)
        old = TiledTree(self.read, before.size)
        if old.root() != before.root:
            raise LogBroken(f"the tiles in {self.directory} do not have the root of the checkpoint over {before.size} leaves")
        for tile in bundles_between(before.size, size):
            first = tile.index * WIDTH
            kept = self._kept_leaves(first, before.size)
            self._write(tile, kept + bundle(fresh[max(0, first - before.size) : first + tile.width - before.size]))
        new = {(0, before.size + number): merkle.leaf_hash(leaf) for number, leaf in enumerate(fresh)}
        for tile in tiles_between(before.size, size):
            self._write(tile, b"".join(self._hashes(tile, old, new)))
        checkpoint = LogCheckpoint(key.name, size, TiledTree(self.read, size).root()).sign(key)
        atomic_write(self.directory / CHECKPOINT_FILE, str(checkpoint).encode())
        self._drop_partial(before.size, size)
        return checkpoint

    def _kept_leaves(self, first: int, size: int) -> bytes:
        """The part of a bundle that was there before."""
        if first >= size:
            return b""
        return self.read(Tile(None, first // WIDTH, size - first).path, WIDTH * WIDTH)

    def _hashes(self, tile: Tile, old: TiledTree, new: dict[tuple[int, int], bytes]) -> Iterator[bytes]:
        """The hashes of a tile, of which each that is full becomes one hash of the level above."""
        assert tile.level is not None
        hashes = []
        for index in range(tile.index * WIDTH, tile.index * WIDTH + tile.width):
            known = new.get((tile.level, index))
            hashes.append(known if known is not None else old.root(*_leaves_under(tile.level, index)))
        if tile.width == WIDTH:
            new[tile.level + 1, tile.index] = merkle.root(hashes)
        yield from hashes

    def _write(self, tile: Tile, data: bytes) -> None:
        path = self.directory / tile.path
        self._make(path.parent)
        atomic_write(path, data)

    def _make(self, directory: Path) -> None:
        """A directory that outlives a power cut, which its parent's entry must, too."""
        if not directory.exists():
            self._make(directory.parent)
            directory.mkdir()
            sync(directory.parent)

    def _drop_partial(self, old_size: int, size: int) -> None:
        """Partial tiles of which the full one is there now; a reader of an older checkpoint takes the full one's beginning."""
        for tile in (*tiles_between(old_size, size), *bundles_between(old_size, size)):
            if tile.width == WIDTH:
                shutil.rmtree(self.directory / f"{tile.path}.p", ignore_errors=True)


def _leaves_under(level: int, index: int) -> tuple[int, int]:
    step = 1 << (HEIGHT * level)
    return index * step, (index + 1) * step
