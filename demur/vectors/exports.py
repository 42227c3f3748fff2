"""Plain copies of what vectors delete, for loaders that read neither roaring bitmaps nor signatures."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from demur.files import atomic_file
from demur.vectors.bitmaps import array_of
from demur.vectors.reader import DeletionVectors

SCHEMA = pa.schema([pa.field("shard", pa.string(), nullable=False), pa.field("place", pa.uint32(), nullable=False)])


def write_npy(vectors: DeletionVectors, shard: str, path: Path) -> None:
    """The deleted places of one shard, ascending, (n,) uint32. Raises UnknownShard, BadBitmap, OtherRows, OSError."""
    deleted = array_of(vectors.of(shard))
    with atomic_file(path) as scratch, open(scratch, "wb") as file:
        np.save(file, deleted)


def write_parquet(vectors: DeletionVectors, shards: Iterable[str], path: Path) -> None:
    """One row for each deleted place of these shards, ordered by shard and place. Holds one shard in memory.

    Raises UnknownShard, BadBitmap, OtherRows, OSError.
    """
    with atomic_file(path) as scratch, pq.ParquetWriter(scratch, SCHEMA, use_dictionary=["shard"]) as writer:
        for shard in shards:
            places = array_of(vectors.of(shard))
            if len(places):
                names = pa.repeat(pa.scalar(shard), len(places))
                writer.write_table(pa.Table.from_arrays([names, pa.array(places)], schema=SCHEMA))
