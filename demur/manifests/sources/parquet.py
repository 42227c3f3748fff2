"""Parquet manifests: one file or a directory of shards, with img2dataset's tars beside them where there are any."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from demur.manifests.columns import first_given
from demur.manifests.errors import TruncatedSource
from demur.manifests.rejections import Rejections
from demur.manifests.schema import match_all_columns, match_columns
from demur.manifests.sources.source import BATCH_ROWS, Source, located
from demur.manifests.sources.tar import opened_tar
from demur.manifests.sources.webdataset import read_samples

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def parquet_source(root: Path, files: list[Path]) -> Source:
    """Raises MissingColumn or TruncatedSource already here, for any of the files, before a row is read."""
    total = 0
    for file in files:
        with _open(file) as opened:
            match_columns([*opened.schema_arrow.names, *partitions(root, file)], file.name)
            total += opened.metadata.num_rows

    def batches(rejected: Rejections) -> Iterator[pa.RecordBatch]:
        for file in files:
            yield from _file_batches(file, file.relative_to(root).as_posix(), partitions(root, file))

    return Source("parquet", root, total, batches)


def partitions(root: Path, file: Path) -> dict[str, str | None]:
    """What the names of Hive folders (`owner=ada/`) between `root` and a shard say of all its rows, as such writers spell it."""
    pairs = (folder.partition("=") for folder in file.relative_to(root).parts[:-1])
    return {name: None if value == _NO_VALUE else unquote(value) for name, _, value in pairs}


def _open(file: Path) -> pq.ParquetFile:
    """Buffered reading, so that a file of one huge row group is never held whole."""
    try:
        return pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise TruncatedSource(f"{file} is cut short or is not a Parquet file: its footer cannot be read.") from error


def _file_batches(file: Path, shard: str, said: Mapping[str, str | None]) -> Iterator[pa.RecordBatch]:
    with _open(file) as opened:
        said = {name: value for name, value in said.items() if name not in opened.schema_arrow.names}
        columns = match_all_columns([*opened.schema_arrow.names, *said], shard)
        key = next((name for name in opened.schema_arrow.names if name.lower() == "key"), "")
        tar = _Tar.beside(file, shard) if key else None
        wanted = {*chain.from_iterable(columns.values()), *([key] if tar else [])} - said.keys()
        read = 0
        try:
            for batch in opened.iter_batches(BATCH_ROWS, columns=sorted(wanted)):
                ours = {name: first_given(name, [_column(batch, each, said) for each in theirs]) for name, theirs in columns.items()}
                rows = located(ours, shard, read, batch.num_rows)
                yield tar.locate(rows, batch.column(key)) if tar else rows
                read += batch.num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise TruncatedSource(f"{file} is damaged after row {read}.") from error


def _column(batch: pa.RecordBatch, name: str, said: Mapping[str, str | None]) -> pa.Array:
    return pa.repeat(pa.scalar(said[name], pa.string()), batch.num_rows) if name in said else batch.column(name)


@dataclass(frozen=True)
class _Tar:
    """The tar that img2dataset writes beside a Parquet shard: `offsets` says where the picture of each key begins."""

    shard: str
    offsets: dict[str, int]

    @classmethod
    def beside(cls, file: Path, shard: str) -> "_Tar | None":
        tar = file.with_suffix(".tar")
        if not tar.is_file():
            return None
        with opened_tar(tar) as opened:
            samples = read_samples(opened, whole=False)
            offsets = {sample.key: sample.pictures[0].header.offset for sample in samples if sample.pictures and not sample.fault}
        return cls(shard.removesuffix(".parquet") + ".tar", offsets)

    def locate(self, rows: pa.RecordBatch, keys: pa.Array) -> pa.RecordBatch:
        """Points each row whose picture is in the tar there; failed downloads have none and keep their Parquet row."""
        offsets = [self.offsets.get(str(key)) for key in keys.to_pylist()]
        found = pa.array([offset is not None for offset in offsets])
        shards = pc.if_else(found, self.shard, rows["shard"])
        places = pc.if_else(found, pa.array(offsets, pa.int64()), rows["row"])
        names = rows.schema.names
        return rows.set_column(names.index("shard"), "shard", shards).set_column(names.index("row"), "row", places)
