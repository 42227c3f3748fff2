"""What a manifest brings to a similarity index: the phash of each row that can match at all."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from demur.manifests.catalogue import Catalogue
from demur.manifests.columns import convert
from demur.manifests.errors import MissingColumn, TruncatedSource
from demur.manifests.schema import match_columns
from demur.similarity.index import SourceRows
from demur.similarity.rules import MIN_QUALITY

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
NEEDED = ("phash", "pdq_quality")
BATCH_ROWS = 1 << 18


def catalogue_rows(catalogue: Catalogue, source: str, part: slice = slice(None)) -> SourceRows:
    """The rows of a catalogue, or of a part of it, as the source of this name."""
    return _rows(catalogue.path / "rows.parquet", source, catalogue.digest, part)


def table_rows(path: Path, source: str, part: slice = slice(None)) -> SourceRows:
    """The rows of a Parquet table with the columns `phash` and `pdq_quality`, and `pdq` if it has one.

    Raises MissingColumn, TruncatedSource, OSError.
    """
    status = path.stat()
    return _rows(path, source, f"{path.resolve()} {status.st_size} {status.st_mtime_ns}", part)


def _rows(path: Path, source: str, identity: str, part: slice) -> SourceRows:
    columns, rows = _described(path)
    start, stop, _ = part.indices(rows)
    stop = max(start, stop)
    return SourceRows(source, stop - start, lambda: _searchable(_batches(path, columns, start, stop)), f"{identity} {start}", start)


def _described(path: Path) -> tuple[dict[str, str], int]:
    """The table's names of our columns, and its rows."""
    try:
        with pq.ParquetFile(path) as table:
            named = match_columns(["uid", *table.schema_arrow.names], str(path))
            rows = table.metadata.num_rows
    except pa.ArrowException as error:
        raise TruncatedSource(f"{path} is not a whole Parquet file.") from error
    for name in NEEDED:
        if name not in named:
            raise MissingColumn(f"{path} has no column '{name}', so its rows cannot be found by their looks.")
    return {name: named[name] for name in (*NEEDED, "pdq") if name in named}, rows


def _batches(path: Path, columns: dict[str, str], start: int, stop: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Rows `start` to `stop` - 1, each batch with the number of its first row counted from `start`; other row groups are not read."""
    with pq.ParquetFile(path, memory_map=True) as table:
        position = 0
        for group in range(table.metadata.num_row_groups):
            rows = table.metadata.row_group(group).num_rows
            if position < stop and position + rows > start:
                for batch in table.iter_batches(BATCH_ROWS, row_groups=[group], columns=list(columns.values())):
                    skipped = max(0, start - position)
                    cut = batch.slice(skipped, max(0, min(stop, position + len(batch)) - position - skipped))
                    yield position + skipped - start, cut.select(list(columns.values())).rename_columns(list(columns))
                    position += len(batch)
            else:
                position += rows


def _searchable(batches: Iterable[tuple[int, pa.RecordBatch]]) -> Iterator[tuple[U64, U32]]:
    """Phash and position of the rows with hashes of enough quality (`rules.comparable`)."""
    for start, batch in batches:
        if not len(batch):
            continue
        phashes, qualities = (convert(name, batch[name])[0] for name in NEEDED)
        usable = pc.and_(pc.is_valid(phashes), pc.fill_null(pc.greater_equal(qualities, MIN_QUALITY), False))
        if "pdq" in batch.schema.names:
            usable = pc.and_(usable, pc.is_valid(batch["pdq"]))
        mask = usable.to_numpy(zero_copy_only=False)
        yield phashes.fill_null(0).to_numpy()[mask], np.flatnonzero(mask).astype(np.uint32) + np.uint32(start)
