"""WebDataset tars: consecutive members with the same name up to the first dot make one sample."""

import gzip
import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pyarrow as pa

from demur.manifests.errors import TruncatedSource
from demur.manifests.pictures import PICTURE_SUFFIXES
from demur.manifests.rejections import Reason, Rejections
from demur.manifests.schema import ALIASES
from demur.manifests.sources.records import RECORD_ROWS, record_batch
from demur.manifests.sources.source import Source

MAX_TEXT = 1 << 20
"""Bytes read of a sample's caption or JSON."""
_PATHS = ALIASES["path"]


@dataclass
class Sample:
    """`picture` is the offset of the picture's header within the tar; `record` what .json and .txt members say."""

    key: str
    picture: int | None = None
    record: dict[str, object] = field(default_factory=dict)
    fault: str = ""


def webdataset_source(root: Path, files: list[Path]) -> Source:
    """Reads nothing yet."""

    def batches(rejected: Rejections) -> Iterator[pa.RecordBatch]:
        for file in files:
            yield from _file_batches(file, file.relative_to(root).as_posix(), rejected)

    return Source("webdataset", root, None, batches)


def _file_batches(file: Path, shard: str, rejected: Rejections) -> Iterator[pa.RecordBatch]:
    kept: list[Sample] = []
    for sample in samples(file):
        if sample.fault:
            rejected.add(Reason.MALFORMED_ROW, [f"{shard}, sample {sample.key}: {sample.fault}"])
        elif sample.picture is None:
            rejected.add(Reason.MISSING_PICTURE, [f"{shard}, sample {sample.key}: no picture of a known suffix"])
        else:
            kept.append(sample)
        if len(kept) == RECORD_ROWS:
            yield _batch(kept, shard, rejected)
            kept = []
    if kept:
        yield _batch(kept, shard, rejected)


def _batch(kept: list[Sample], shard: str, rejected: Rejections) -> pa.RecordBatch:
    """Without the samples' own `path`: the picture is in the tar, wherever it once was."""
    records = [
        {name: value for name, value in {"key": sample.key, **sample.record}.items() if name.lower() not in _PATHS} for sample in kept
    ]
    return record_batch(records, [sample.picture or 0 for sample in kept], shard, rejected)


def samples(file: Path) -> Iterator[Sample]:
    """The samples of a tar, in order. Raises TruncatedSource where the tar ends early."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:") as tar:
            yield from _samples(tar)
            raw.seek(tar.offset)
            if len(raw.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
                raise TruncatedSource(f"{file} is cut short: the tar has no end mark.")
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise TruncatedSource(f"{file} is cut short or is not a tar.") from error


def _samples(tar: tarfile.TarFile) -> Iterator[Sample]:
    sample: Sample | None = None
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # tarfile remembers every member, and a shard can have millions; typeshed hides it
        key, _, extension = PurePosixPath(member.name).name.partition(".")
        if not member.isfile() or not key:
            continue
        key = str(PurePosixPath(member.name).with_name(key))
        if sample is None or sample.key != key:
            if sample is not None:
                yield sample
            sample = Sample(key)
        _take_member(sample, tar, member, f".{extension.lower()}")
    if sample is not None:
        yield sample


def _take_member(sample: Sample, tar: tarfile.TarFile, member: tarfile.TarInfo, extension: str) -> None:
    if extension in PICTURE_SUFFIXES:
        sample.picture = member.offset
    elif extension in (".txt", ".caption"):
        sample.record["caption"] = _text(tar, member).strip()
    elif extension == ".json":
        try:
            described = json.loads(_text(tar, member))
        except ValueError as error:
            sample.fault = f"its .json is not JSON ({error})"
            return
        if isinstance(described, dict):
            sample.record = {**described, **sample.record}


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = tar.extractfile(member)
    return content.read(MAX_TEXT).decode(errors="replace") if content else ""
