"""The consumed samples of a training run on disk: sorted key digests, read by memory mapping.

The file holds, in this order, all aligned to 32 bytes: a header (8 bytes magic, little-endian uint32 length of the header's JSON, the JSON,
spaces), the key digests in ascending order, and the hash of every block of 1024 leaves. The block hashes are derived data: with them
a proof costs about a millisecond in a run of any size, instead of hashing every leaf.
"""

import mmap
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from demur.digests import canonical_json, parse_json
from demur.errors import DemurError
from demur.exclusions.columns import all_spellings, listed, usual
from demur.fields import count, fields, text
from demur.files import atomic_file
from demur.runs.proofs import AbsenceProof, InclusionProof, ProvenLeaf, key_digest
from demur.tlog import merkle

_MAGIC = b"DEMURCT1"
_PREFIX = struct.Struct("<8sI")
_WIDTH = 32
_BLOCK = 1024
_MOST_VALUES = 1000  # of a header, with commas in the run's id
_KEPT = 64  # blocks whose trees are kept, 130 kB each
_AT_ONCE = 1 << 16  # uids


class BadConsumedFile(DemurError):
    """The file does not hold the consumed samples of a run, or was changed or cut short."""


class UidConsumed(DemurError):
    """The run consumed the sample, so its absence cannot be proved."""


class UidNotConsumed(DemurError):
    """The run did not consume the sample, so its inclusion cannot be proved."""


@dataclass(frozen=True)
class ConsumedTree:
    """The key digests of one run's consumed samples, and the tree over them."""

    run_id: str
    root: str  # hex
    size: int
    _digests: NDArray[np.bytes_]  # (size,) of 32 bytes, ascending, mapped from the file
    _blocks: tuple[bytes, ...]

    @staticmethod
    def write(path: Path | str, uids: Iterable[str], run_id: str) -> str:
        """Writes the file atomically and returns the root as hex. A uid given twice counts once. Memory: 64 bytes a uid. Raises OSError.

        A uid in a spelling under which nobody would look for it (`1,001`, ` 1001`) is written in its one form (`1001`).
        """
        joined = b"".join(key_digest(run_id, uid) for uid in _all_usual(uids))
        digests = np.unique(np.frombuffer(joined, dtype=f"S{_WIDTH}"))
        blocks = list(_block_hashes(memoryview(digests.tobytes())))
        root = merkle.root(blocks).hex()
        with atomic_file(path) as scratch, open(scratch, "wb") as file:
            file.write(_header(run_id, root, len(digests)))
            file.write(digests.tobytes())
            file.write(b"".join(blocks))
        return root

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Maps the file. Checks its shape and its root over the block hashes; `check` reads every leaf. Raises BadConsumedFile, OSError."""
        with open(path, "rb") as file:
            try:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            except ValueError as error:
                raise BadConsumedFile(f"{path} is empty") from error
        try:
            magic, length = _PREFIX.unpack_from(data)
            told = fields(parse_json(bytes(data[_PREFIX.size : _PREFIX.size + length]), _MOST_VALUES))
            run_id, root, size = text(told["run_id"]), text(told["root"]), count(told["size"])
            header = _header(run_id, root, size)
        except (struct.error, ValueError, TypeError, KeyError) as error:
            raise BadConsumedFile(f"{path} does not begin as a file of consumed samples") from error
        blocks_at = len(header) + size * _WIDTH
        block_count = -(-size // _BLOCK)
        if magic != _MAGIC or bytes(data[: len(header)]) != header or len(data) != blocks_at + block_count * _WIDTH:
            raise BadConsumedFile(f"{path} is not a whole file of consumed samples")
        blocks = tuple(bytes(data[start : start + _WIDTH]) for start in range(blocks_at, len(data), _WIDTH))
        if merkle.root(blocks).hex() != root:
            raise BadConsumedFile(f"{path} was changed: its root does not fit")
        return cls(run_id, root, size, np.frombuffer(data[len(header) : blocks_at], dtype=f"S{_WIDTH}"), blocks)

    def check(self) -> None:
        """Reads every leaf: ascending order, block hashes and with them the root. Raises BadConsumedFile."""
        if not bool(np.all(self._digests[:-1] < self._digests[1:])):
            raise BadConsumedFile("the consumed samples are not in ascending order, each once")
        if tuple(_block_hashes(self._digests.view(np.uint8).data)) != self._blocks:
            raise BadConsumedFile("the consumed samples were changed: they do not have the root that the file claims")

    def find(self, uids: Sequence[str]) -> NDArray[np.int64]:
        """The leaf index of each uid, in whichever of its spellings the run consumed it, or -1. (n,) int64."""
        found = self._find_as_spelled(uids)
        for place in np.flatnonzero(found < 0).tolist():
            if len(others := all_spellings(uids[place])) > 1:
                found[place] = self._find_as_spelled(others).max()
        return found

    def _find_as_spelled(self, uids: Sequence[str]) -> NDArray[np.int64]:
        keys = np.frombuffer(b"".join(key_digest(self.run_id, uid) for uid in uids), dtype=f"S{_WIDTH}")
        indexes = np.searchsorted(self._digests, keys).astype(np.int64)
        found = np.zeros(len(keys), dtype=bool)
        inside = indexes < self.size
        found[inside] = self._digests[indexes[inside]] == keys[inside]
        return np.where(found, indexes, -1)

    def inclusion_proof(self, uid: str) -> InclusionProof:
        """Speaks of the uid as the tree spells it. Raises UidNotConsumed."""
        others = all_spellings(uid)
        for spelled, leaf_index in zip(others, self._find_as_spelled(others).tolist(), strict=True):
            if leaf_index >= 0:
                return InclusionProof(self.run_id, spelled, self._proven(leaf_index))
        raise UidNotConsumed(f"the run {self.run_id} did not consume {uid}")

    def absence_proof(self, uid: str) -> AbsenceProof:
        """Speaks of the uid as the tree would spell it. Raises UidConsumed."""
        if self.find([uid])[0] >= 0:
            raise UidConsumed(f"the run {self.run_id} consumed {uid}")
        (spelled,) = _usual([uid])
        key = np.frombuffer(key_digest(self.run_id, spelled), dtype=f"S{_WIDTH}")
        position = int(np.searchsorted(self._digests, key)[0])
        before = self._proven(position - 1) if position > 0 else None
        after = self._proven(position) if position < self.size else None
        return AbsenceProof(self.run_id, spelled, before, after)

    def proof(self, uid: str) -> InclusionProof | AbsenceProof:
        """Whether the run consumed the sample, proved."""
        return self.inclusion_proof(uid) if self.find([uid])[0] >= 0 else self.absence_proof(uid)

    def _proven(self, leaf_index: int) -> ProvenLeaf:
        block, inside = divmod(leaf_index, _BLOCK)
        path = merkle.path_in(self._hashed(block), inside) + merkle.path_in(self._above, block)
        return ProvenLeaf(leaf_index, self._digests[leaf_index : leaf_index + 1].tobytes(), tuple(path))

    @cached_property
    def _above(self) -> list[list[bytes]]:
        """The tree over the blocks."""
        return merkle.levels(self._blocks)

    @cached_property
    def _hashed(self) -> Callable[[int], list[list[bytes]]]:
        """The tree over the leaves of a block. Someone's thousands of photos lie in few blocks of a small run, so some are kept."""

        def tree(block: int) -> list[list[bytes]]:
            return merkle.levels(_leaf_hashes(self._digests[block * _BLOCK : (block + 1) * _BLOCK].tobytes()))

        return lru_cache(_KEPT)(tree)


def _all_usual(uids: Iterable[str]) -> Iterator[str]:
    left = iter(uids)
    while some := list(islice(left, _AT_ONCE)):
        yield from _usual(some)


def _usual(uids: Sequence[str]) -> list[str]:
    """As `all_spellings` gives them. One that is nothing but blanks names no sample, and stays what it is."""
    given = pa.array(uids, pa.large_string())
    spelled: list[str] = pc.coalesce(usual(listed("uid", given)).cast(given.type), given).to_pylist()
    return spelled


def _header(run_id: str, root: str, size: int) -> bytes:
    told = canonical_json({"root": root, "run_id": run_id, "size": size})
    header = _PREFIX.pack(_MAGIC, len(told)) + told
    return header + b" " * (-len(header) % _WIDTH)


def _block_hashes(digests: memoryview) -> Iterator[bytes]:
    for start in range(0, len(digests), _BLOCK * _WIDTH):
        yield merkle.root(_leaf_hashes(bytes(digests[start : start + _BLOCK * _WIDTH])))


def _leaf_hashes(digests: bytes) -> list[bytes]:
    return [merkle.leaf_hash(digests[start : start + _WIDTH]) for start in range(0, len(digests), _WIDTH)]
