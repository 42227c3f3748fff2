"""Writes what a training run leaves behind for others to check: its signed record, and the samples that it consumed."""

import hashlib
import os
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from demur.digests import canonical_json, exact, files_digest, sha256_file
from demur.errors import DemurError
from demur.exclusions import ExclusionList
from demur.exclusions.columns import KeyedRows
from demur.files import atomic_directory
from demur.runs.consumed import ConsumedTree
from demur.runs.record import ConsumedReference, ListReference, RunRecord, Stage
from demur.signing import SigningKey

RECORD_FILE = "run-record.dsse.json"
CONSUMED_FILE = "consumed.bin"
_AT_ONCE = 1 << 16


class UnnamedConsumed(DemurError):
    """The run consumed a sample with a uid that cannot be compared with any list (demur.exclusions.columns), or without any."""


class ExcludedConsumed(DemurError):
    """The run consumed a sample that the list by which it says it was filtered excludes by its uid."""


def write_run_record(
    directory: Path,
    *,
    name: str,
    key: SigningKey,
    exclusions: ExclusionList | None,
    uids: Iterable[str],
    weights: Path,
    started_at: datetime,
    **facts: Any,
) -> RunRecord:
    """Writes RECORD_FILE and CONSUMED_FILE (docs/formats/run-record.md) to a new directory, whole or not at all.

    Args:
        exclusions: the list in the version by which the data was filtered; None only before any was published.
        uids: of all samples in the order of training, read once; one may come several times.
        weights: the file whose SHA-256 names what was trained.
        facts: further fields of RunRecord. Absent ones say what can be known here: it finished now, on this machine's processor, with the
            libraries that are installed (lock_digest: SHA-256 of their canonical JSON), seed 0; nothing is said of manifests, dropped rows,
            config and code. `config` may hold floats: they become decimal text. demur.digests.files_digest makes a code_digest.

    The record's one stage is `training`; its digest is SHA-256 over the uids in order, each after its length in bytes as 8 bytes,
    little-endian. Memory: 64 bytes for each uid. Raises ExcludedConsumed, UnnamedConsumed, BadRunRecord, TargetExists, OSError.
    """
    stage = _Training(exclusions)
    with atomic_directory(directory) as scratch:
        run_id = uuid4().hex
        ConsumedTree.write(scratch / CONSUMED_FILE, stage.follow(uids), run_id)
        tree = ConsumedTree.open(scratch / CONSUMED_FILE)
        made = {
            "run_id": run_id,
            "name": name,
            "started_at": started_at.replace(microsecond=0),
            "exclusion_list": ListReference.of(exclusions.head) if exclusions else None,
            "consumed": ConsumedReference(tree.root, tree.size),
            "stages": (Stage("training", stage.samples, stage.digest.hexdigest()),),
            "weights_digest": sha256_file(weights),
        }
        record = RunRecord(**(_plain(_defaults() | facts) | made))
        (scratch / RECORD_FILE).write_bytes(record.sign(key))
    return record


class _Training:
    """Goes with the samples as they are read: counts them, digests their order, and stops at one that must not be there."""

    def __init__(self, exclusions: ExclusionList | None) -> None:
        self.samples, self.digest, self._exclusions = 0, hashlib.sha256(), exclusions

    def follow(self, uids: Iterable[str]) -> Iterator[str]:
        """The same uids. Raises ExcludedConsumed, UnnamedConsumed."""
        samples = iter(uids)
        while batch := list(islice(samples, _AT_ONCE)):
            self._check(batch)
            for uid in batch:
                self.digest.update(len(uid.encode()).to_bytes(8, "little") + uid.encode())
            self.samples += len(batch)
            yield from batch

    def _check(self, batch: list[str]) -> None:
        rows = KeyedRows.of_columns(len(batch), {"uid": ("uid",)}, lambda _: list(batch))
        for fault in rows.faults(["uid"]):
            raise UnnamedConsumed(f"the run consumed {batch[fault.positions[0]]!r:.80}, which names no sample: {fault.reason}")
        if self._exclusions is None:
            return
        excluded = np.flatnonzero(self._exclusions.judge(rows).kinds >= 0)
        if len(excluded):
            uid = batch[excluded[0]]
            raise ExcludedConsumed(f"version {self._exclusions.head.version} of the list excludes {uid}, which the run consumed")


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Without floats, and with plain text where a filter report counts by kinds."""
    return facts | {"config": exact(facts["config"]), "dropped": {str(reason): rows for reason, rows in facts["dropped"].items()}}


def _defaults() -> dict[str, Any]:
    libraries = {each.name: each.version for each in metadata.distributions() if each.name} | {"python": platform.python_version()}
    return {
        "finished_at": datetime.now(UTC).replace(microsecond=0),
        "tier": "full",
        "manifests": (),
        "dropped": {},
        "seed": 0,
        "config": {},
        "code_digest": files_digest([]),
        "lock_digest": hashlib.sha256(canonical_json(libraries)).hexdigest(),
        "libraries": libraries,
        "threads": os.cpu_count() or 1,
        "device": platform.machine() or "unknown",
    }
