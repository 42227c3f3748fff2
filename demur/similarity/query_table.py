"""Queries as a Parquet table, one row a variant: what carries them to another machine.

Columns: `query` (string, the caller's key), `sha256` (64 hex digits), `edit` (string), `dihedral` (uint8), `phash` (uint64), `pdq`
(32 bytes), `quality` (uint8). Rows of one query stand together, in the order of its variants.
"""

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from demur.errors import DemurError
from demur.files import atomic_file
from demur.similarity.query import Query, Variant

SCHEMA = pa.schema(
    {
        "query": pa.string(),
        "sha256": pa.string(),
        "edit": pa.string(),
        "dihedral": pa.uint8(),
        "phash": pa.uint64(),
        "pdq": pa.binary(32),
        "quality": pa.uint8(),
    }
)


class NotQueries(DemurError):
    """The file is no table of queries."""


def write_queries(path: Path, queries: Mapping[str, Query]) -> None:
    """Writes queries by key, in one step. Raises OSError."""
    rows = [{"query": key, "sha256": query.sha256, **vars(variant)} for key, query in queries.items() for variant in query.variants]
    with atomic_file(path) as scratch:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), scratch)


def read_queries(path: Path) -> dict[str, Query]:
    """The queries by key, in the order in which they were written. Raises NotQueries, OSError."""
    try:
        rows = pq.ParquetFile(path).read(use_threads=False).select(SCHEMA.names).cast(SCHEMA).to_pylist()
    except (pa.ArrowException, KeyError) as error:
        raise NotQueries(f"{path} is not a table of queries; `demur hash --queries` writes one") from error
    return {
        key: Query(digest, tuple(Variant(*(row[name] for name in SCHEMA.names[2:])) for row in group))
        for (key, digest), group in groupby(rows, lambda row: (row["query"], row["sha256"]))
    }
