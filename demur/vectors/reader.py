"""The training loader's side: which rows of each shard may be used, known without looking at a key of any row. Fails closed."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap, FrozenBitMap

from demur.exclusions.entries import FileDigest
from demur.exclusions.history import read_keys
from demur.exclusions.rotation import Keyring
from demur.exclusions.sources import Source, open_source
from demur.exclusions.state import load_state, save_state
from demur.exclusions.trusted import Trusted
from demur.signing import VerifyKey
from demur.vectors import rules
from demur.vectors.bitmaps import array_of
from demur.vectors.head import VectorsHead
from demur.vectors.tables import Table

HEAD_FILE = "head.dsse.json"
HEAD_LIMIT = 1 << 16
_KEPT_SHARDS = 64  # whose bitmaps are held ready: a loader reads some shards at a time


def manifest_directory(manifest: str) -> str:
    """The directory of a manifest's vectors, below the base of all of them: the SHA-256 (hex) of its name, which may be any text."""
    return hashlib.sha256(manifest.encode()).hexdigest()


def file_name(sha256: str) -> str:
    """A file's name says its content, so that it never changes."""
    return f"{sha256}.parquet"


@dataclass(frozen=True)
class _Verified:
    head: VectorsHead
    shards: Table
    deletions: Table


class DeletionVectors:
    """The verified vectors of one manifest. Made by `open`; every method speaks of the list version that was verified last.

    A shard is named as the manifest's catalogue names it: by its path below the manifest's source. A *place* is a row's number in its
    shard, from 0; in a tar, the number of the 512-byte block at which the picture's header begins (`tarinfo.offset // 512`).
    """

    def __init__(self, source: Source, base: str, key: VerifyKey, state: Path | None, verified: _Verified, trusted: Trusted) -> None:
        self._source, self._base, self._key, self._state = source, base, key, state
        self._trust(trusted)
        self._hold(verified)

    @classmethod
    def open(
        cls,
        url_or_dir: str | Path,
        *,
        key: VerifyKey,
        manifest: str,
        token: str | None = None,
        state: Path | None = None,
        now: datetime | None = None,
    ) -> "DeletionVectors":
        """Pulls and verifies a manifest's newest vectors.

        Args:
            url_or_dir: base URL (…/api/v1/deletion-vectors/) or directory of all manifests' vectors.
            key: the list's key, or any that it had before: the list's key rotations lead from there to the newest one.
            manifest: the manifest's name, as it was registered.
            token: API token, sent as a Bearer token.
            state: file that remembers the highest list version and the newest key trusted here; one of its own for each manifest, since
                vectors follow the list with a delay.
            now: the clock, for expiry.

        Raises: a subclass of ListRefused: Unreachable, BadSignature, UnknownKey, BadVectors, OtherManifest, Rollback, Fork, Expired,
            WrongDigest, OtherRows, BadRotation, KeyTakenBack, BadState.
        """
        source, base = open_source(url_or_dir, token), manifest_directory(manifest)
        before = load_state(state) if state else None
        head, keys = _newest(source, base, key, before)
        trusted = replace(rules.accept(before, head, manifest, now or datetime.now(UTC)), key=keys.reached)
        return cls(source, base, key, state, _read(source, base, head, None), trusted)

    @property
    def head(self) -> VectorsHead:
        """The signed head."""
        return self._verified.head

    @property
    def shards(self) -> tuple[str, ...]:
        """The names of all shards, by code point."""
        return self._verified.shards.shards

    def rows(self, shard: str) -> int:
        """How many registered rows a shard has. Raises UnknownShard."""
        return self._verified.shards.number(shard)

    def of(self, shard: str) -> FrozenBitMap:
        """The places of a shard that the list excludes. Raises UnknownShard, BadBitmap, OtherRows."""
        return rules.open_deleted(self._verified.shards, self._verified.deletions, shard)

    def kept(self, shard: str) -> FrozenBitMap:
        """The places of a shard that may be used: those of registered rows that the list does not exclude.

        What stands elsewhere in the shard was never registered (a private photo, the second row of a uid): the list was not asked about
        it, so it may not be used. Raises UnknownShard, BadBitmap, OtherRows.
        """
        return self._kept(shard)

    def keep(self, shard: str, start: int, stop: int) -> NDArray[np.bool_]:
        """For the places `start` … `stop` - 1 of a shard, whether they may be used: (stop - start,), True = keep.

        Raises UnknownShard, BadBitmap, OtherRows.
        """
        mask = np.zeros(stop - start, dtype=np.bool_)
        mask[array_of(self._kept(shard) & BitMap(range(start, stop))).astype(np.int64) - start] = True
        return mask

    def check_length(self, shard: str, length: int) -> None:
        """Holds a shard of rows against its vector: one with fewer rows than were registered is not the file that was imported.

        Raises OtherRows, UnknownShard, BadBitmap.
        """
        last = rules.open_places(self._verified.shards, shard).max()
        if length <= last:
            raise rules.OtherRows(f"the shard {shard!r} has {length} rows, but row {last} of it was registered")

    def update(self, now: datetime | None = None) -> bool:
        """Moves to the newest vectors, reading only files that changed; says whether anything did.

        On any refusal those verified before stay in place. Raises what `open` raises.
        """
        at, before = now or datetime.now(UTC), self.head
        head, keys = _newest(self._source, self._base, self._key, self._trusted)
        trusted = replace(rules.accept(self._trusted, head, before.manifest.name, at), key=keys.reached)
        stored = load_state(self._state) if self._state else None
        if stored is not None:  # another process may have trusted a newer version or key meanwhile
            keys.keep(stored.key)
            rules.accept(stored, head, before.manifest.name, at)
        verified = _read(self._source, self._base, head, self._verified) if head != before else None
        self._trust(trusted)
        if verified is not None:
            self._hold(verified)
        return verified is not None

    def _trust(self, trusted: Trusted) -> None:
        if self._state:
            save_state(self._state, trusted)
        self._trusted = trusted

    def _hold(self, verified: _Verified) -> None:
        self._verified = verified
        self._kept = lru_cache(_KEPT_SHARDS)(lambda shard: rules.open_places(verified.shards, shard) - self.of(shard))


def _newest(source: Source, base: str, key: VerifyKey, before: Trusted | None) -> tuple[VectorsHead, Keyring]:
    # The head first: a rotation is announced before any head that is signed by its new key, so it is there by then.
    envelope = source.read(f"{base}/{HEAD_FILE}", HEAD_LIMIT)
    keys = read_keys(source, key)
    keys.keep(before.key if before else None)
    return rules.open_head(envelope, keys), keys


def _read(source: Source, base: str, head: VectorsHead, held: _Verified | None) -> _Verified:
    """What the head names; files that it names as before are not read again."""

    def data(of: FileDigest) -> bytes:
        return source.read(f"{base}/{file_name(of.sha256)}", of.size)

    same_shards = held is not None and (held.head.shards, held.head.manifest) == (head.shards, head.manifest)
    shards = held.shards if held is not None and same_shards else rules.open_shards(data(head.shards), head)
    same = held is not None and same_shards and (held.head.deletions, held.head.deleted) == (head.deletions, head.deleted)
    deletions = held.deletions if held is not None and same else rules.open_deletions(data(head.deletions), head, shards)
    return _Verified(head, shards, deletions)
