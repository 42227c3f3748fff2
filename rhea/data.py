"""What a run may train on: the rows that the exclusion list keeps, with their pictures, in an order that the dropped rows cannot change.

Samples are ordered by the SHA-256 of their picture's bytes, then by uid. Positions in a catalogue are used to fetch pictures and for
nothing else, so a run over the full pool with the filter and a run over a pool without those photos see the same samples in the same
places, and end with the same bits.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from demur.errors import DemurError
from demur.exclusions import ExclusionList
from demur.exclusions.columns import KeyedRows
from demur.filtering import FilterReport
from demur.manifests import Catalogue, PictureChanged, PictureFileTooLarge, PictureMissing
from demur.similarity.formats import PictureError
from rhea.config import Settings
from rhea.pictures import Shrinking

COLUMNS = ("uid", "owner", "url", "caption", "sha256", "phash", "pdq", "pdq_quality")


class NothingToTrainOn(DemurError):
    """After filtering, no row with a picture is left."""

    def __init__(self) -> None:
        super().__init__("No sample is left to train on: every row was excluded or has no readable picture.")


class ColumnsMissing(DemurError):
    """The list excludes by a kind of key that the catalogue cannot be compared with."""


@dataclass(frozen=True, order=True)
class Sample:
    """A row as training sees it. The order of the fields is the order of training."""

    sha256: str
    uid: str
    caption: str


@dataclass(frozen=True)
class Samples:
    """The surviving samples in training order, with their pictures.

    Attributes:
        pixels: (N, 3, px, px) uint8, RGB on white.
        dropped: rows not used, by reason: a kind of key of the exclusion list, or `missing_picture`, `changed_picture`,
            `unreadable_picture`, `repeated`, `unreadable` (nothing of the row could be compared with the list).
    """

    samples: tuple[Sample, ...]
    pixels: Tensor
    dropped: dict[str, int]

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def captions(self) -> list[str]:
        return [sample.caption for sample in self.samples]

    @property
    def uids(self) -> list[str]:
        return [sample.uid for sample in self.samples]

    @property
    def digest(self) -> str:
        """SHA-256 over picture digest, uid and caption of each sample, in training order: what a stage consumed."""
        digest = hashlib.sha256()
        for sample in self.samples:
            for value in (sample.sha256, sample.uid, sample.caption):
                digest.update(len(value.encode()).to_bytes(8, "little") + value.encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class _Row:
    catalogue: Catalogue
    position: int
    uid: str
    caption: str


def load_samples(
    catalogues: Sequence[Catalogue], exclusions: ExclusionList | None, settings: Settings, progress: Callable[[int, int], None]
) -> Samples:
    """Filter the catalogues' rows by the list, then read and shrink the pictures of those that are kept.

    Args:
        progress: called with pictures read and pictures to read.

    Raises:
        NothingToTrainOn, ColumnsMissing, UnreadableRows, SandboxCannotStart
    """
    dropped: Counter[str] = Counter()
    rows = [row for catalogue in catalogues for row in _kept(catalogue, exclusions, dropped)]
    found: dict[Sample, NDArray[np.uint8]] = {}
    with Shrinking(settings.picture_px, settings.threads) as shrinking, ThreadPoolExecutor(settings.threads) as pool:
        for done, read in enumerate(pool.map(lambda row: _read(row, shrinking), rows), start=1):
            if isinstance(read, str):
                dropped[read] += 1
            elif read[0] in found:
                dropped["repeated"] += 1
            else:
                found[read[0]] = read[1]
            progress(done, len(rows))
    if not found:
        raise NothingToTrainOn
    samples = sorted(found)
    return Samples(tuple(samples), torch.from_numpy(np.stack([found[sample] for sample in samples])), dict(sorted(dropped.items())))


def _kept(catalogue: Catalogue, exclusions: ExclusionList | None, dropped: Counter[str]) -> Iterator[_Row]:
    start = 0
    for batch in catalogue.batches(COLUMNS):
        table = pa.Table.from_batches([batch])
        keep = _judged(table, exclusions, dropped)
        uids, captions = table["uid"].to_pylist(), table["caption"].to_pylist()
        for offset in np.flatnonzero(keep):
            yield _Row(catalogue, start + int(offset), uids[offset], captions[offset] or "")
        start += len(table)


def _judged(table: pa.Table, exclusions: ExclusionList | None, dropped: Counter[str]) -> NDArray[np.bool_]:
    if exclusions is None:
        return np.ones(len(table), dtype=np.bool_)
    judgement = exclusions.judge(KeyedRows.of_catalogue(table))
    if judgement.not_applied:
        kinds = ", ".join(judgement.not_applied)
        raise ColumnsMissing(f"The list excludes by {kinds}, and the catalogue has no such columns to compare.")
    report = FilterReport()
    compared = replace(judgement, uncompared=None)
    report.add(compared)
    report.refuse_unreadable()  # a catalogue holds keys in one form, so a row with any other is damage
    dropped.update(report.left_out)
    if without_digests := int(np.count_nonzero(compared.kept & ~judgement.kept)):  # their pictures were not there when they were imported
        dropped["unreadable"] += without_digests
    return judgement.kept


def _read(row: _Row, shrinking: Shrinking) -> tuple[Sample, NDArray[np.uint8]] | str:
    """The sample and its pixels (3, px, px), or the reason why it cannot be used."""
    try:
        data = row.catalogue.picture(row.position)
        pixels = shrinking.pixels(data)
    except PictureMissing:
        return "missing_picture"
    except PictureChanged:  # its fingerprints are those of another picture, so the list could not be applied to it
        return "changed_picture"
    except (PictureFileTooLarge, PictureError):
        return "unreadable_picture"
    return Sample(hashlib.sha256(data).hexdigest(), row.uid, row.caption), pixels


def to_unit(pixels: Tensor) -> Tensor:
    """uint8 → float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def to_bytes(pixels: Tensor) -> Tensor:
    """float in [-1, 1] (clamped) → uint8."""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
