"""Filters a WebDataset tar: whole samples are copied or left out. Pictures are looked at too, in all eight orientations."""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from demur.exclusions.matching import Judgement
from demur.exclusions.reader import ExclusionList
from demur.filtering.keys import record_table
from demur.filtering.pictures import judge_seen
from demur.filtering.report import FilterReport, Progress, UnreadableManifest
from demur.manifests.pictures import is_picture

_BATCH = 128


class _Tar(tarfile.TarFile):
    """Its `members` are emptied as we go: tarfile remembers every member, and a shard can have millions."""

    members: list[tarfile.TarInfo]


@dataclass
class Sample:
    """Consecutive members whose names agree up to the first dot."""

    key: str
    members: list[tuple[tarfile.TarInfo, bytes]] = field(default_factory=list)

    @property
    def extensions(self) -> Iterator[str]:
        """What follows the first dot of each member's name, as it is spelled."""
        return (_extension(member) for member, _ in self.members)

    @property
    def pictures(self) -> list[bytes]:
        return [data for member, data in self.members if is_picture(member.name, data)]

    def fields(self) -> Mapping[str, object]:
        """Raises ValueError."""
        return sample_fields(self.key, next((data for member, data in self.members if _extension(member).lower() == "json"), None))


def sample_fields(key: str, described: bytes | None) -> Mapping[str, object]:
    """What a sample is called, and what its .json member says. Raises ValueError."""
    fields = json.loads(described) if described is not None else {}
    return {"key": key, **fields} if isinstance(fields, dict) else {"key": key}


def filter_webdataset(source: Path, target: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress) -> None:
    """Raises UnreadableManifest, BadKeyColumn, OSError."""
    with _Tar.open(target, "w:", format=tarfile.PAX_FORMAT) as out:
        for sample, keep in judged_samples(source, exclusions, report, progress):
            if keep:
                _copy(sample, out)


def judged_samples(source: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress) -> Iterator[tuple[Sample, bool]]:
    """The samples of a tar in order, and whether each may be used. Raises UnreadableManifest, BadKeyColumn, OSError."""
    size = source.stat().st_size
    try:
        with _Tar.open(source, "r:") as tar:
            samples = _samples(tar)
            while batch := list(islice(samples, _BATCH)):
                yield from zip(batch, report.add(_judge(batch, exclusions, report, source)).to_pylist(), strict=True)
                progress(tar.offset, size)
            _refuse_cut(source, tar.offset)
    except (tarfile.TarError, EOFError) as error:
        raise UnreadableManifest(f"{source} is not a whole tar: {error}") from error


def _refuse_cut(source: Path, end: int) -> None:
    with open(source, "rb") as file:
        file.seek(end)
        if len(file.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
            raise UnreadableManifest(f"{source} is cut short: the tar has no end mark")


def _samples(tar: _Tar) -> Iterator[Sample]:
    sample: Sample | None = None
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
            sample = Sample(key)
        data = content.read()
        if len(data) != member.size:
            raise EOFError(f"{member.name} is cut short")
        sample.members.append((member, data))
    if sample is not None:
        yield sample


def _extension(member: tarfile.TarInfo) -> str:
    return PurePosixPath(member.name).name.partition(".")[2]


def _copy(sample: Sample, out: _Tar) -> None:
    for member, data in sample.members:
        out.addfile(member, io.BytesIO(data))
    out.members = []


def _judge(batch: list[Sample], exclusions: ExclusionList, report: FilterReport, source: Path) -> Judgement:
    """By what is written about the samples, then by the pictures themselves: their digest now and how they look."""
    try:
        fields = [sample.fields() for sample in batch]
    except (ValueError, RecursionError) as error:
        raise UnreadableManifest(f"{source} holds a .json member that is not JSON") from error
    written = exclusions.judge(record_table(fields, str(source)))
    pictures = [sample.pictures for sample in batch]
    return judge_seen(written, pictures, exclusions, report) if any(pictures) else written
