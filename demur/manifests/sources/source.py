"""What every reader gives."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from demur.manifests.rejections import Rejections

BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Source:
    """A manifest that was recognised but not yet read.

    `batches` yields record batches with some of the columns of `schema.ALIASES`, of whatever type the manifest has, and always
    `shard` and `row` (see `pictures`). `total` is the number of rows where the manifest states it.
    """

    kind: str
    root: Path
    total: int | None
    batches: Callable[[Rejections], Iterator[pa.RecordBatch]]


def located(columns: dict[str, pa.Array], shard: str, first_row: int, rows: int) -> pa.RecordBatch:
    """A batch of `columns` whose rows are numbered from `first_row` within `shard`."""
    shards = pa.repeat(pa.scalar(shard), rows)
    return pa.RecordBatch.from_pydict({**columns, "shard": shards, "row": pa.array(range(first_row, first_row + rows), pa.int64())})
