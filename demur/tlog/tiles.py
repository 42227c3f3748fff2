"""The log's tree as static files: tiles of 256 hashes and bundles of 256 leaves (https://c2sp.org/tlog-tiles).

A tile at level L holds the roots of aligned runs of 256**L leaves. A full tile never changes; a partial one, named by its width, is
replaced by a wider one under another name.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from demur.errors import DemurError
from demur.exclusions.sources import Missing
from demur.tlog import merkle

HEIGHT = 8
WIDTH = 1 << HEIGHT
HASH = 32
LEAF = 32  # of this log: a commitment
_BUNDLED = (LEAF).to_bytes(2, "big")

Read = Callable[[str, int], bytes]
"""Reads a file of the log by its path; the number bounds how much is read. Raises Missing, Unreachable (demur.exclusions.sources)."""


class BadTile(DemurError):
    """A file of the log does not hold what the tree needs there."""


class TileMissing(BadTile):
    """The log's place answers, but has no file that its checkpoint promises. Nothing is said about any exclusion list by that."""


@dataclass(frozen=True)
class Tile:
    """``level`` None: a bundle of leaves. ``width``: 1 to 256 hashes."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[start : start + 3] for start in range(0, len(digits), 3)]
        level = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join([*('x' + part for part in parts[:-1]), parts[-1]])}{partial}"


def tiles_between(old_size: int, size: int) -> Iterator[Tile]:
    """The tiles of hashes that a tree of ``size`` leaves has and one of ``old_size`` had not, lower levels first."""
    level = 0
    while size >> (HEIGHT * level):
        yield from _of_level(level, old_size >> (HEIGHT * level), size >> (HEIGHT * level))
        level += 1


def bundles_between(old_size: int, size: int) -> Iterator[Tile]:
    """The same for bundles of leaves."""
    yield from _of_level(None, old_size, size)


def _of_level(level: int | None, old: int, new: int) -> Iterator[Tile]:
    if old < new:
        for index in range(old // WIDTH, -(-new // WIDTH)):
            yield Tile(level, index, min(WIDTH, new - index * WIDTH))


def bundle(leaves: Sequence[bytes]) -> bytes:
    """Leaves of 32 bytes as a bundle: each with its length before it."""
    return b"".join(_BUNDLED + leaf for leaf in leaves)


def read_tile(read: Read, tile: Tile, item: int) -> bytes:
    """The bytes of a tile or bundle whose items are ``item`` bytes long; of a partial one that was removed since, the full one's beginning.

    Raises BadTile, and what ``read`` raises.
    """
    try:
        data = _read_either(read, tile, item)
    except Missing as error:
        raise TileMissing(f"the log has no {tile.path}, which its checkpoint promises") from error
    if len(data) != tile.width * item:
        raise BadTile(f"{tile.path} does not hold {tile.width} items of {item} bytes")
    return data


def _read_either(read: Read, tile: Tile, item: int) -> bytes:
    try:
        return read(tile.path, WIDTH * item)
    except Missing:
        if tile.width == WIDTH:
            raise
        return read(Tile(tile.level, tile.index).path, WIDTH * item)[: tile.width * item]


def read_leaves(read: Read, size: int) -> Iterator[bytes]:
    """All leaves of a log of ``size``, in order. Raises BadTile, and what ``read`` raises."""
    step = len(_BUNDLED) + LEAF
    for tile in bundles_between(0, size):
        data = read_tile(read, tile, step)
        for start in range(0, len(data), step):
            if data[start : start + 2] != _BUNDLED:
                raise BadTile(f"{tile.path} holds a leaf that is not {LEAF} bytes long")
            yield data[start + 2 : start + step]


class TiledTree:
    """A tree of ``size`` leaves, of which only the tiles that a proof takes are read. Nothing read is believed: proofs are verified."""

    def __init__(self, read: Read, size: int) -> None:
        self._read, self.size = read, size
        self._hashes: dict[Tile, bytes] = {}

    def root(self, start: int = 0, stop: int | None = None) -> bytes:
        """The root over the leaves [start, stop), a range that RFC 6962 splits the tree into. Raises BadTile, and what ``read`` raises."""
        stop = self.size if stop is None else stop
        if start == stop:
            return merkle.EMPTY_ROOT
        return merkle.root(self._runs(start, stop))

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Raises IndexError, BadTile."""
        return [self.root(start, stop) for start, stop in merkle.inclusion_ranges(index, self.size)]

    def consistency_proof(self, old_size: int) -> list[bytes]:
        """From the tree of ``old_size`` leaves, at least one, to this. Raises IndexError, BadTile."""
        return [self.root(start, stop) for start, stop in merkle.consistency_ranges(old_size, self.size)]

    def leaf_hash(self, index: int) -> bytes:
        """Raises IndexError, BadTile."""
        if not 0 <= index < self.size:
            raise IndexError(f"no leaf {index} in a tree of {self.size}")
        return self._hash(0, index)

    def _runs(self, start: int, stop: int) -> Iterator[bytes]:
        """Hashes over equal aligned runs of leaves, except that the last may be the root of what is left."""
        level = max(0, (stop - start).bit_length() - 1) // HEIGHT
        step = 1 << (HEIGHT * level)
        while start + step <= stop:
            yield self._hash(level, start // step)
            start += step
        if start < stop:
            yield self.root(start, stop)

    def _hash(self, level: int, index: int) -> bytes:
        tile = self._tile(level, index // WIDTH)
        at = index % WIDTH * HASH
        return self._loaded(tile)[at : at + HASH]

    def _tile(self, level: int, index: int) -> Tile:
        there = (self.size >> (HEIGHT * level)) - index * WIDTH
        return Tile(level, index, min(WIDTH, there))

    def _loaded(self, tile: Tile) -> bytes:
        if tile not in self._hashes:
            self._hashes[tile] = read_tile(self._read, tile, HASH)
        return self._hashes[tile]
