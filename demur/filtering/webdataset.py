"""Filters a WebDataset tar: whole samples are copied as they were spelled, or left out. Pictures are looked at, in all eight orientations.

A sample may be told by several names: its key, that of each of its pictures, and what its .json members say. It is judged by all of them,
and so are samples of one key that lie apart in a tar.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from demur.exclusions.columns import KEY_COLUMNS, NoKeyColumn, plain_name
from demur.exclusions.columns.reading import faults_of
from demur.exclusions.matching import Judgement
from demur.exclusions.reader import ExclusionList
from demur.filtering.keys import record_table
from demur.filtering.pictures import Held, judge_held
from demur.filtering.report import FilterReport, Progress, UnreadableManifest
from demur.filtering.writing import opened_like
from demur.manifests.errors import TruncatedSource
from demur.manifests.sources.records import BadRecord, Record
from demur.manifests.sources.tar import BLOCK, RECORD, TarReader, opened_tar, padded
from demur.manifests.sources.webdataset import TarSample, is_json, json_records, read_samples

_BATCH, _BATCH_BYTES = 128, 1 << 26
APART = "samples whose members lie apart in their tar"
PART_UNREADABLE = "another part of the same sample cannot be compared"
SEVERAL = "samples with several pictures"


def filter_webdataset(source: Path, target: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress) -> None:
    """Compressed as `source` is. Raises UnreadableManifest, BadKeyColumn, OSError."""
    with opened_like(source, target) as out:
        for sample, keep in _judged(source, exclusions, report, progress, out):
            if keep:
                for member in sample.members:
                    out.write(member.header.headers)
                    out.write(padded(member.content))
        out.write(bytes(2 * BLOCK))
        out.write(bytes(-out.tell() % RECORD))


def judged_samples(source: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress) -> Iterator[tuple[TarSample, bool]]:
    """The samples of a tar in order, and whether each may be used. One that cannot be read is counted as unreadable, and may not.

    Raises UnreadableManifest, BadKeyColumn, OSError.
    """
    yield from _judged(source, exclusions, report, progress, None)


def sample_names(key: str, pictures: Sequence[str] = ()) -> list[Record]:
    """The names of a sample as records: its key, however its path is spelled, and those of its pictures where there are several.

    One that begins at the root of the disk is also judged as it is unpacked.
    """
    names = [str(PurePosixPath(name)) for name in [key, *(pictures if len(pictures) > 1 else ())]]
    return [{"key": name} for name in dict.fromkeys([*names, *(name.lstrip("/") for name in names if name.strip("/"))])]


def said_records(record: Record) -> list[Record]:
    """What an object of a .json member says, as records that are judged each: itself, each of its other names, and what is said within it.

    Within it, only our own names of columns count: an `id` or a `url` there may be that of a licence or of a box.
    """
    names = {name: value for name, value in record.items() if plain_name(name) in KEY_COLUMNS["uid"].aliases and _is_name(value)}
    others: list[Record] = [{name: value} for name, value in names.items()] if len(names) > 1 else []
    within = [each for value in record.values() if isinstance(value, dict | list) for each in _within(value)]
    return [record, *others, *within]


def _within(value: object) -> Iterator[Record]:
    if isinstance(value, list):
        for each in value:
            yield from _within(each)
    elif isinstance(value, dict):
        found = {name: value[name] for name in ("uid", "owner") if _is_name(value.get(name))}
        if found:
            yield found
        yield from _within(list(value.values()))


def _is_name(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def judge_records(records: Sequence[Sequence[Record]], exclusions: ExclusionList, where: str, *, named: bool = False) -> Judgement:
    """Judges samples each of which is told by several records: one that is excluded excludes its sample.

    named: whether the samples' names are judged elsewhere. Raises NoKeyColumn, BadKeyColumn.
    """
    of_sample = np.repeat(np.arange(len(records)), [len(each) for each in records])
    rows = record_table([record for each in records for record in each], where, named=named)
    return exclusions.judge(rows).grouped(of_sample, len(records))


def judge_told(names: Sequence[Sequence[Record]], said: Sequence[Sequence[Record]], exclusions: ExclusionList, where: str) -> Judgement:
    """Judges samples by their names, and by what else is said of them, in separate rows: a uid in a .json takes the place of no key.

    Raises BadKeyColumn.
    """
    by_name = judge_records(names, exclusions, where)
    try:
        return by_name.also(judge_records(said, exclusions, where, named=True))
    except NoKeyColumn:
        return by_name


@dataclass
class _Apart:
    """Keys that occur more than once in a tar, apart: what excludes one of their samples, or makes it unreadable, does so to the others."""

    keys: frozenset[str] = frozenset()
    excluded: dict[str, int] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    def learn(self, samples: Iterable[TarSample], judgement: Judgement) -> None:
        for sample, kind, keep in zip(samples, judgement.kinds.tolist(), judgement.keep.to_pylist(), strict=True):
            if kind >= 0:
                self.excluded[sample.key] = kind
            elif not keep:
                self.unreadable.add(sample.key)

    def apply(self, samples: Sequence[TarSample], judgement: Judgement) -> Judgement:
        elsewhere = np.array([self.excluded.get(sample.key, -1) for sample in samples], dtype=np.int8)
        parts = {place: (PART_UNREADABLE, sample.key) for place, sample in enumerate(samples) if sample.key in self.unreadable}
        kinds = np.where(judgement.kinds >= 0, judgement.kinds, elsewhere)
        return replace(judgement, kinds=kinds, faults=(*judgement.faults, *faults_of(parts)))


def _judged(
    source: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress, out: IO[bytes] | None
) -> Iterator[tuple[TarSample, bool]]:
    try:
        apart = _found_apart(source, exclusions)
        if apart.keys:
            report.note(APART, len(apart.keys))
        with opened_tar(source) as tar:
            for batch in _batches(tar, out):
                readable = [sample for sample in batch if not _count_unreadable(sample, report, source)]
                judgement = apart.apply(readable, _judge(readable, exclusions, source))
                keep = {id(sample) for sample, kept in zip(readable, report.add(judgement).to_pylist(), strict=True) if kept}
                report.note(SEVERAL, sum(len(sample.pictures) > 1 for sample in readable))
                yield from ((sample, id(sample) in keep) for sample in batch)
                progress(tar.position, max(tar.position, source.stat().st_size))
    except TruncatedSource as error:
        raise UnreadableManifest(str(error).rstrip(".")) from error


def _found_apart(source: Path, exclusions: ExclusionList) -> _Apart:
    """Reads the headers; only where a key recurs, the whole tar once more than usual."""
    seen: set[int] = set()
    again: set[str] = set()
    with opened_tar(source) as tar:
        for sample in read_samples(tar, whole=False):
            if (digest := hash(sample.key)) in seen:
                again.add(sample.key)
            seen.add(digest)
    apart = _Apart(frozenset(again))
    if again:
        with opened_tar(source) as tar:
            for batch in _batches(tar, None):
                parts = [sample for sample in batch if sample.key in again]
                readable = [sample for sample in parts if not _unreadable(sample)]
                apart.unreadable |= {sample.key for sample in parts if _unreadable(sample)}
                apart.learn(readable, _judge(readable, exclusions, source))
    return apart


def _batches(tar: TarReader, out: IO[bytes] | None) -> Iterator[list[TarSample]]:
    """Samples by the batch, of bounded bytes. Headers that hold for all members go to `out` as they come."""
    batch: list[TarSample] = []
    size = 0
    for sample in read_samples(tar, whole=True):
        batch.append(sample)
        size += sum(len(member.content) for member in sample.members)
        if len(batch) == _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        if out is not None and tar.globals:
            out.write(b"".join(tar.globals))
            tar.globals.clear()
    if batch:
        yield batch


def _unreadable(sample: TarSample) -> str:
    if sample.fault:
        return sample.fault
    try:
        _fields(sample)
    except BadRecord as error:
        return str(error)
    return ""


def _count_unreadable(sample: TarSample, report: FilterReport, source: Path) -> bool:
    fault = _unreadable(sample)
    if fault:
        report.add_unreadable(f"a sample {fault}", f"{source.name}: {sample.key}")
    return bool(fault)


def _fields(sample: TarSample) -> list[Record]:
    members = [member for member in sample.members if is_json(member.extension)]
    return [said for each in members for record in json_records(each.extension, each.content) for said in said_records(record)]


def _judge(batch: Sequence[TarSample], exclusions: ExclusionList, source: Path) -> Judgement:
    """By what is written about the samples, then by the pictures themselves: their digest now and how they look."""
    names = [sample_names(sample.key, [member.header.name for member in sample.pictures]) for sample in batch]
    written = judge_told(names, [_fields(sample) for sample in batch], exclusions, str(source))
    return judge_held(written, [_held(sample) for sample in batch], exclusions)


def _held(sample: TarSample) -> Held:
    return Held([member.content for member in sample.pictures], [member.content for member in sample.members if not member.is_picture])
