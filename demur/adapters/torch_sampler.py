"""A sampler for plain torch that yields only the indices which the list keeps."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import Sampler

from demur.adapters.judging import judge_rows, tell
from demur.errors import DemurError
from demur.exclusions import ExclusionList, Judgement
from demur.filtering import FilterReport, excluded_positions
from demur.filtering.keys import record_table
from demur.vectors import DeletionVectors
from demur.vectors.bitmaps import array_of

_AT_ONCE = 1 << 16


class PositionOutside(DemurError, ValueError):
    """A position to leave out lies beyond the data set: it belongs to another one."""


class KeptSampler(Sampler[int]):
    """Yields the kept indices of a map-style data set, in another order at each epoch; each of `world` processes gets its own share.

    Shares are of equal length: of an epoch's last indices, fewer than `world` stay out. The order follows from `seed` and the epoch that
    `set_epoch` named, so that all processes agree on it. Memory: 8 bytes for each kept index, and as much again while it shuffles.
    """

    def __init__(self, kept: torch.Tensor, *, shuffle: bool = True, seed: int = 0, rank: int = 0, world: int = 1) -> None:
        """kept: (k,) int64."""
        self.kept, self.epoch = kept, 0
        self._shuffle, self._seed, self._rank, self._world = shuffle, seed, rank, world

    @classmethod
    def by_manifest(cls, manifest: Path, exclusions: ExclusionList, *, allow_unreadable: int = 0, **options: Any) -> Self:
        """The data set's items are the rows of a Parquet file. Reads the columns that the list is compared with, on all cores.

        allow_unreadable: how many rows may be left out because they cannot be compared.

        Raises UnreadableRows, UnreadableManifest, NoKeyColumn, BadKeyColumn, OSError.
        """
        report = FilterReport(allow_unreadable=allow_unreadable)
        gone = excluded_positions(manifest, exclusions, report)
        report.refuse_unreadable()
        tell(report.not_applied, exclusions, str(manifest))
        return cls.without(gone, report.rows, **options)

    @classmethod
    def by_columns(cls, batches: Iterable[pa.RecordBatch], exclusions: ExclusionList, *, allow_unreadable: int = 0, **options: Any) -> Self:
        """Judges any table that describes the data set's items in their order, a batch at a time.

        Raises UnreadableRows, NoKeyColumn, BadKeyColumn.
        """
        report = FilterReport(allow_unreadable=allow_unreadable)
        judgements = (judge_rows(batch.schema.names, len(batch), batch.column, None, exclusions, "the table") for batch in batches)
        return cls._judged(judgements, exclusions, report, options)

    @classmethod
    def _judged(cls, judgements: Iterable[Judgement], exclusions: ExclusionList, report: FilterReport, options: Mapping[str, Any]) -> Self:
        kept = [np.empty(0, dtype=np.int64)]
        for judgement in judgements:
            start = report.rows
            kept.append(start + np.flatnonzero(report.add(judgement)))
        report.refuse_unreadable()
        tell(report.not_applied, exclusions, "the table")
        return cls(torch.from_numpy(np.concatenate(kept)), **options)

    @classmethod
    def by_uids(cls, uids: Iterable[object], exclusions: ExclusionList, *, allow_unreadable: int = 0, **options: Any) -> Self:
        """Judges the uids of the data set's items in their order: text, whole numbers, or UUIDs. Raises UnreadableRows."""
        items, report = iter(uids), FilterReport(allow_unreadable=allow_unreadable)
        parts = iter(lambda: list(islice(items, _AT_ONCE)), [])
        judgements = (exclusions.judge(record_table([{"uid": uid} for uid in part], "the uids")) for part in parts)
        return cls._judged(judgements, exclusions, report, options)

    @classmethod
    def by_vectors(cls, vectors: DeletionVectors, shards: Mapping[str, int], **options: Any) -> Self:
        """No key is looked at: the data set's items are the rows of these shards, one shard after another; shard → number of its rows.

        Raises UnknownShard, OtherRows, BadBitmap (demur.vectors).
        """
        start, kept = 0, [np.empty(0, dtype=np.int64)]
        for shard, rows in shards.items():
            vectors.check_length(shard, rows)
            kept.append(start + array_of(vectors.kept(shard)).astype(np.int64))
            start += rows
        return cls(torch.from_numpy(np.concatenate(kept)), **options)

    @classmethod
    def without(cls, positions: Iterable[int], size: int, **options: Any) -> Self:
        """All indices below `size` but these positions. Raises PositionOutside."""
        gone = np.fromiter(positions, dtype=np.int64)
        outside = gone[(gone < 0) | (gone >= size)]
        if len(outside):
            raise PositionOutside(f"position {outside[0]} is to be left out of {size:,} items: it belongs to another data set")
        kept = np.ones(size, dtype=np.bool_)
        kept[gone] = False
        return cls(torch.from_numpy(np.flatnonzero(kept)), **options)

    def set_epoch(self, epoch: int) -> None:
        """Before an epoch begins; the same number gives the same order."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.kept) // self._world

    def __iter__(self) -> Iterator[int]:
        order = torch.arange(len(self.kept))
        if self._shuffle:
            order = torch.randperm(len(self.kept), generator=torch.Generator().manual_seed(self._seed + self.epoch))
        for part in order[: len(self) * self._world][self._rank :: self._world].split(_AT_ONCE):  # type: ignore[no-untyped-call]
            yield from self.kept[part].tolist()
