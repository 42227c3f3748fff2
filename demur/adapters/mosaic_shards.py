"""MDS data sets of MosaicML's `streaming`, written again without their excluded samples."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, compress, pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from streaming.base.compression import decompress
from streaming.base.format import FileInfo, MDSWriter
from streaming.base.format.mds.encodings import mds_decode
from streaming.base.hashing import get_hash

from demur.adapters.judging import judge_rows, tell
from demur.exclusions import ExclusionList
from demur.exclusions.columns import BadKeyColumn
from demur.fields import count
from demur.files import FileTooLarge, atomic_directory, read_file
from demur.filtering.report import FilterReport, Progress, UnreadableManifest

_INTEGERS = {"int", "str_int", *(f"{sign}int{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64))}
_READABLE = {"str", "bytes", *_INTEGERS, "str_float", "str_decimal", "float32", "float64"}
"""Encodings of which Python values come that a key column can have."""
_ENCODED = "encoded"
_PICTURE_FILES = {"bytes", "jpeg", "png"}
MOST_INDEX_BYTES = 1 << 28  # of index.json: half a million shards
_SHARED = ("column_names", "column_encodings", "column_sizes", "compression", "hashes", "size_limit")


def rewrite_shards(
    source: Path,
    target: Path,
    exclusions: ExclusionList,
    *,
    pictures: str | None = None,
    allow_unreadable: int = 0,
    progress: Progress = lambda done, total: None,
) -> FilterReport:
    """Writes the data set in the directory `source` (which holds index.json) without its excluded samples to the new directory `target`.

    Samples are copied byte for byte, in their order, into shards of the same columns, size limit, compression and digests; nothing is
    unpickled.

    Args:
        pictures: a column of picture files (bytes, jpeg or png): they are compared with the list by their digest, and by how they look in
            all eight orientations. Costs a decode a picture.
        allow_unreadable: how many samples may be left out because they cannot be compared with the list.
        progress: told of shards.

    Memory: a few shards. Raises UnreadableRows, UnreadableManifest, NoKeyColumn, BadKeyColumn, TargetExists, OSError.
    """
    shards, report = _shards(source), FilterReport(allow_unreadable=allow_unreadable)
    with atomic_directory(target) as scratch, _writer(shards[0], scratch) as writer:
        for done, shard in enumerate(shards, start=1):
            samples = shard.samples()
            report.begin(shard.raw.basename)
            column = partial(shard.column, samples)
            files = None if pictures is None else shard.pictures(samples, pictures)
            mask = report.add(judge_rows(shard.described["column_names"], len(samples), column, files, exclusions, str(source)))
            for sample in compress(samples, mask.to_pylist()):
                writer.write({_ENCODED: sample})
            progress(done, len(shards))
        report.refuse_unreadable()
    tell(report.not_applied, exclusions, str(source))
    return report


class _Copying(MDSWriter):
    """Takes samples as they are encoded."""

    def encode_sample(self, sample: Mapping[str, bytes]) -> bytes:
        return sample[_ENCODED]


def _writer(shard: "_Shard", target: Path) -> MDSWriter:
    described = shard.described
    columns = dict(zip(described["column_names"], described["column_encodings"], strict=True))
    options = {name: described[name] for name in ("compression", "hashes", "size_limit")}
    return _Copying(out=str(target), columns=columns, **options)


def _shards(source: Path) -> list["_Shard"]:
    try:
        index = json.loads(read_file(source / "index.json", MOST_INDEX_BYTES))
        shards = [_Shard.of(source, described) for described in index["shards"]]
        forms = [[shard.described[name] for name in _SHARED] for shard in shards]
        formats = {(index["version"], shard.described["version"], shard.described["format"]) for shard in shards}
    except (FileTooLarge, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableManifest(f"{source} has no index of MDS shards") from error
    if formats != {(2, 2, "mds")} or any(form != forms[0] for form in forms):
        raise UnreadableManifest(f"{source} does not consist of MDS shards of one form")
    return shards


def _file(told: Mapping[str, Any]) -> FileInfo:
    return FileInfo(**{**told, "bytes": count(told["bytes"])})


@dataclass(frozen=True)
class _Shard:
    """A shard as the index describes it."""

    source: Path
    described: Mapping[str, Any]
    number: int
    raw: FileInfo
    packed: FileInfo | None

    @classmethod
    def of(cls, source: Path, described: Mapping[str, Any]) -> Self:
        packed = described["zip_data"]
        return cls(source, described, int(described["samples"]), _file(described["raw_data"]), _file(packed) if packed else None)

    def samples(self) -> list[bytes]:
        """Each sample as it is encoded. The layout: number of samples, n + 1 offsets, a description, samples; numbers are uint32.

        Raises UnreadableManifest.
        """
        data = self._data()
        bounds = np.frombuffer(data[: 4 * self.number + 8], "<u4").tolist()
        if len(bounds) != self.number + 2 or bounds[0] != self.number or bounds[-1] != len(data):
            raise UnreadableManifest(f"{self.source / self.raw.basename} has not the samples that the index says")
        return [data[start:stop] for start, stop in pairwise(bounds[1:])]

    def _data(self) -> bytes:
        """The shard, unpacked. Raises UnreadableManifest unless it is what the index says."""
        if self.packed is None:
            return self._read(self.raw)
        try:
            data = decompress(self.described["compression"], self._read(self.packed))
        except UnreadableManifest:
            raise
        except Exception as error:  # each way of packing has errors of its own
            raise UnreadableManifest(f"{self.source / self.packed.basename} cannot be unpacked") from error
        return self._checked(data, self.raw)

    def _read(self, file: FileInfo) -> bytes:
        try:
            return self._checked(read_file(self.source / file.basename, file.bytes), file)
        except FileTooLarge as error:
            raise UnreadableManifest(f"{self.source / file.basename} is longer than the index says") from error

    def _checked(self, data: bytes, file: FileInfo) -> bytes:
        if len(data) != file.bytes or any(get_hash(name, data) != digest for name, digest in file.hashes.items()):
            raise UnreadableManifest(f"{self.source / file.basename} is not what the index describes: changed or cut short")
        return data

    def column(self, samples: Sequence[bytes], name: str) -> list[object]:
        """A key column, decoded. Raises BadKeyColumn, UnreadableManifest."""
        encoding = self._encoding(name, _READABLE)
        try:
            return [mds_decode(encoding, cell) for cell in self._cells(samples, name)]
        except ValueError as error:
            raise UnreadableManifest(f"a shard of {self.source} has a column {name} that is not {encoding}") from error

    def pictures(self, samples: Sequence[bytes], name: str) -> list[list[bytes]]:
        """Those of each sample. Raises BadKeyColumn, UnreadableManifest."""
        self._encoding(name, _PICTURE_FILES)
        return [[file] if file else [] for file in self._cells(samples, name)]

    def _encoding(self, name: str, usable: Collection[str]) -> str:
        encodings = dict(zip(self.described["column_names"], self.described["column_encodings"], strict=True))
        if encodings.get(name) not in usable:
            raise BadKeyColumn(
                f"the column {name} of {self.source} is {encodings.get(name, 'missing')}, not any of {', '.join(sorted(usable))}"
            )
        return str(encodings[name])

    def _cells(self, samples: Sequence[bytes], name: str) -> Iterator[bytes]:
        """A sample is the lengths of its cells without a fixed one, as uint32, and the cells."""
        place, sizes = self.described["column_names"].index(name), self.described["column_sizes"]
        varying = sum(not size for size in sizes)
        for sample in samples:
            lengths = iter(np.frombuffer(sample[: 4 * varying], "<u4").tolist())
            bounds = list(accumulate((size or next(lengths, 0) for size in sizes), initial=4 * varying))
            if bounds[-1] != len(sample):
                raise UnreadableManifest(f"a shard of {self.source} has a sample that does not fit its columns")
            yield sample[bounds[place] : bounds[place + 1]]
