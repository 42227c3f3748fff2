"""What a manifest brings to a similarity index: the phash of each row that can match at all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from demur.exclusions.columns import KEY_COLUMNS, aliased
from demur.manifests.catalogue import Catalogue
from demur.manifests.columns import convert
from demur.manifests.errors import MissingColumn, TruncatedSource, WrongColumnType
from demur.similarity.index import SourceRows
from demur.similarity.rules import MIN_QUALITY

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
NEEDED = ("phash", "pdq_quality")
BATCH_ROWS = 1 << 18
READ = ("phash", "pdq_quality", "pdq")


@dataclass
class Unreadable:
    """Counts the rows that are left out because a hash or a quality of theirs cannot be read: in the newest pass over their table."""

    rows: int = 0


def catalogue_rows(catalogue: Catalogue, source: str, part: slice = slice(None)) -> SourceRows:
    """The rows of a catalogue, or of a part of it, as the source of this name."""
    return _rows(catalogue.path / "rows.parquet", source, catalogue.digest, part, Unreadable())


def table_rows(path: Path, source: str, part: slice = slice(None), unreadable: Unreadable | None = None) -> SourceRows:
    """The rows of a Parquet table with the columns `phash` and `pdq_quality`, and `pdq` if it has one. Counts what cannot be read.

    Raises MissingColumn, WrongColumnType, TruncatedSource, OSError.
    """
    status = path.stat()
    return _rows(path, source, f"{path.resolve()} {status.st_size} {status.st_mtime_ns}", part, unreadable or Unreadable())


def _rows(path: Path, source: str, identity: str, part: slice, unreadable: Unreadable) -> SourceRows:
    columns, rows = _described(path)
    start, stop, _ = part.indices(rows)
    stop = max(start, stop)

    def batches() -> Iterator[tuple[U64, U32]]:
        return _searchable(_batches(path, columns, start, stop), unreadable)

    return SourceRows(source, stop - start, batches, f"{identity} {start}", start)


def _described(path: Path) -> tuple[dict[str, str], int]:
    """The table's names of our columns, and its rows."""
    try:
        with pq.ParquetFile(path) as table:
            schema = table.schema_arrow
            named = {name: names[0] for name in READ if (names := aliased(KEY_COLUMNS[name].aliases, schema.names))}
            rows = table.metadata.num_rows
    except pa.ArrowException as error:
        raise TruncatedSource(f"{path} is not a whole Parquet file.") from error
    for name in NEEDED:
        if name not in named:
            raise MissingColumn(f"{path} has no column '{name}', so its rows cannot be found by their looks.")
    for name, theirs in named.items():
        _refuse_unreadable(name, schema.field(theirs).type, path)
    return named, rows


def _refuse_unreadable(name: str, kind: pa.DataType, path: Path) -> None:
    if not KEY_COLUMNS[name].takes(kind.value_type if pa.types.is_dictionary(kind) else kind):
        raise WrongColumnType(f"The column '{name}' of {path} is of type {kind}, which cannot be read as one.")


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


def _searchable(batches: Iterable[tuple[int, pa.RecordBatch]], unreadable: Unreadable) -> Iterator[tuple[U64, U32]]:
    """Phash and position of the rows with hashes of enough quality (`rules.comparable`)."""
    unreadable.rows = 0
    for start, batch in batches:
        if not len(batch):
            continue
        columns, masks = zip(*(convert(name, batch[name]) for name in batch.schema.names), strict=True)
        bad = [mask for mask in masks if mask is not None]
        unreadable.rows += int(np.logical_or.reduce(bad).sum()) if bad else 0
        held = dict(zip(batch.schema.names, columns, strict=True))
        phashes = held["phash"]
        usable = pc.and_(pc.is_valid(phashes), pc.fill_null(pc.greater_equal(held["pdq_quality"], MIN_QUALITY), False))
        if "pdq" in held:
            usable = pc.and_(usable, pc.is_valid(held["pdq"]))
        mask = usable.to_numpy(zero_copy_only=False)
        yield phashes.fill_null(0).to_numpy()[mask], np.flatnonzero(mask).astype(np.uint32) + np.uint32(start)
