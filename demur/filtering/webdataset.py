"""Filters a WebDataset tar: whole samples are copied or left out. Pictures are looked at too, in all eight orientations."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa

from demur.exclusions.entries import KeyKind
from demur.exclusions.matching import Judgement
from demur.exclusions.reader import ExclusionList
from demur.filtering.keys import record_table
from demur.filtering.report import FilterReport, Progress, UnreadableManifest
from demur.manifests.pictures import PICTURE_SUFFIXES
from demur.similarity.fingerprint import Fingerprint, PictureError, fingerprint

_BATCH = 128
_ORIENTATIONS = 8


class _Tar(tarfile.TarFile):
    """Its `members` are emptied as we go: tarfile remembers every member, and a shard can have millions."""

    members: list[tarfile.TarInfo]


@dataclass
class _Sample:
    """Consecutive members whose names agree up to the first dot."""

    key: str
    members: list[tuple[tarfile.TarInfo, bytes]] = field(default_factory=list)

    @property
    def picture(self) -> bytes | None:
        return next((data for member, data in self.members if _extension(member) in PICTURE_SUFFIXES), None)

    def fields(self) -> dict[str, object]:
        """The key, and what the .json member says. Raises ValueError."""
        described: object = next((json.loads(data) for member, data in self.members if _extension(member) == ".json"), {})
        return {"key": self.key, **described} if isinstance(described, dict) else {"key": self.key}


def filter_webdataset(source: Path, target: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress) -> None:
    """Raises UnreadableManifest, BadKeyColumn, OSError."""
    size = source.stat().st_size
    try:
        with _Tar.open(source, "r:") as tar, _Tar.open(target, "w:", format=tarfile.PAX_FORMAT) as out:
            samples = _samples(tar)
            while batch := list(islice(samples, _BATCH)):
                mask = report.add(_judge(batch, exclusions, report, source))
                _copy([sample for sample, keep in zip(batch, mask.to_pylist(), strict=True) if keep], out)
                progress(tar.offset, size)
            _refuse_cut(source, tar.offset)
    except (tarfile.TarError, EOFError) as error:
        raise UnreadableManifest(f"{source} is not a whole tar: {error}") from error


def _refuse_cut(source: Path, end: int) -> None:
    with open(source, "rb") as file:
        file.seek(end)
        if len(file.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
            raise UnreadableManifest(f"{source} is cut short: the tar has no end mark")


def _samples(tar: _Tar) -> Iterator[_Sample]:
    sample: _Sample | None = None
    while (member := tar.next()) is not None:
        tar.members = []
        name = PurePosixPath(member.name)
        content = tar.extractfile(member) if member.isfile() else None
        if content is None or name.name.startswith("."):
            continue
        key = str(name.with_name(name.name.partition(".")[0]))
        if sample is None or sample.key != key:
            if sample is not None:
                yield sample
            sample = _Sample(key)
        data = content.read()
        if len(data) != member.size:
            raise EOFError(f"{member.name} is cut short")
        sample.members.append((member, data))
    if sample is not None:
        yield sample


def _extension(member: tarfile.TarInfo) -> str:
    return "." + PurePosixPath(member.name).name.partition(".")[2].lower()


def _copy(samples: list[_Sample], out: _Tar) -> None:
    for sample in samples:
        for member, data in sample.members:
            out.addfile(member, io.BytesIO(data))
    out.members = []


def _judge(batch: list[_Sample], exclusions: ExclusionList, report: FilterReport, source: Path) -> Judgement:
    """By what is written about the samples, then by the pictures themselves: their digest now and how they look."""
    try:
        fields = [sample.fields() for sample in batch]
    except (ValueError, RecursionError) as error:
        raise UnreadableManifest(f"{source} holds a .json member that is not JSON") from error
    written = exclusions.judge(record_table(fields, str(source)))
    seen = _judge_pictures([sample.picture or b"" for sample in batch], exclusions, report)
    kinds = np.where(written.kinds >= 0, written.kinds, seen.kinds)
    return Judgement(kinds, tuple(kind for kind in written.not_applied if kind in seen.not_applied))


def _judge_pictures(pictures: list[bytes], exclusions: ExclusionList, report: FilterReport) -> Judgement:
    by_digest = exclusions.judge(pa.table({"sha256": [hashlib.sha256(picture).hexdigest() for picture in pictures]}))
    if KeyKind.PHASH not in exclusions.head.counts:
        return by_digest
    fingerprints = [_fingerprint(picture) for picture in pictures]
    report.unchecked_pictures += fingerprints.count(None)
    by_look = exclusions.judge(_orientations(fingerprints)).kinds.reshape(-1, _ORIENTATIONS).max(axis=1)
    kinds = np.where(by_digest.kinds >= 0, by_digest.kinds, by_look)
    return Judgement(kinds, tuple(kind for kind in by_digest.not_applied if kind is not KeyKind.PHASH))


def _fingerprint(picture: bytes) -> Fingerprint | None:
    try:
        return fingerprint(picture)
    except PictureError:
        return None


def _orientations(fingerprints: list[Fingerprint | None]) -> pa.Table:
    """Eight rows a picture; rows without hashes for a picture that cannot be decoded."""
    nothing = (None,) * _ORIENTATIONS
    phashes = [phash for each in fingerprints for phash in (each.dihedral_phash if each else nothing)]
    pdqs = [pdq for each in fingerprints for pdq in (each.dihedral_pdq if each else nothing)]
    qualities = [each.pdq_quality if each else 0 for each in fingerprints for _ in range(_ORIENTATIONS)]
    return pa.table(
        {"phash": pa.array(phashes, pa.uint64()), "pdq": pa.array(pdqs, pa.binary(32)), "pdq_quality": pa.array(qualities, pa.uint8())}
    )
