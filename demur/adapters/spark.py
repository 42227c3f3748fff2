"""The near-duplicate join as a Spark job, for manifests that one machine cannot hold.

Each task is what one machine does with one range of rows: it puts the tables of a similarity index over them into the executor's scratch
directory and searches them for all queries. So the matches are those of one index over all rows, whatever the partitions.

    spark-submit demur/adapters/spark.py MANIFEST.parquet QUERIES.parquet MATCHES.parquet

Executors need `pip install ./demur`. Raises the errors of what it calls; a failed task is Spark's to repeat.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession

from demur.exclusions.columns import KEY_COLUMNS, BadKeyColumn
from demur.similarity.index import SimilarityIndex
from demur.similarity.query import Query
from demur.similarity.query_table import read_queries
from demur.similarity.rules import MIN_QUALITY
from demur.similarity.search import Match, find_matches

COLUMNS = ("uid", "sha256", "phash", "pdq", "pdq_quality")
MATCHES = "query string, uid string, kind string, phash_distance int, pdq_distance int, edit string, dihedral int"
ROWS_AT_ONCE = 1 << 22
"""Rows of one set of tables: about 300 MB of the executor's memory, and 120 MB of its scratch directory."""
_ARROW = pa.schema(
    {
        "query": pa.string(),
        "uid": pa.string(),
        "kind": pa.string(),
        "phash_distance": pa.int32(),
        "pdq_distance": pa.int32(),
        "edit": pa.string(),
        "dihedral": pa.int32(),
    }
)
_SOURCE = "rows"


def near_duplicates(rows: DataFrame, queries: Mapping[str, Query], *, rows_at_once: int = ROWS_AT_ONCE) -> DataFrame:
    """All rows that match a query: exact ones by digest, near duplicates by any of its variants.

    Args:
        rows: with the columns COLUMNS; `phash` as Spark reads an unsigned 64-bit column (decimal(20, 0)), or a bigint of the same bits.
        queries: by keys of the caller.

    Returns a frame with the columns MATCHES: `query` is the key; see demur.similarity.search.Match for the rest.
    """
    keys, asked = list(queries), rows.sparkSession.sparkContext.broadcast(list(queries.values()))

    def join(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for part in _parts(batches, rows_at_once):
            yield from _told(keys, part.uids, _matches(part, asked.value))

    return rows.select(*COLUMNS).mapInArrow(join, MATCHES)


@dataclass(frozen=True)
class _Part:
    """Rows of one task, as the search reads them: by their place in it."""

    uids: pa.Array
    digests: pa.Array
    phashes: npt.NDArray[np.uint64]
    pdqs: npt.NDArray[np.uint8]  # (n, 32)
    comparable: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, batches: Sequence[pa.RecordBatch]) -> "_Part":
        table = pa.Table.from_batches(batches).combine_chunks()
        uids, digests, phashes, pdqs, qualities = (_read(name, table[name]) for name in COLUMNS)
        usable = pc.and_(pc.and_(phashes.is_valid(), pdqs.is_valid()), pc.fill_null(pc.greater_equal(qualities, MIN_QUALITY), False))
        octets = b"".join(pc.fill_null(pdqs.cast(pa.binary()), bytes(32)).to_pylist())
        return cls(
            uids.cast(pa.string()),
            digests.cast(pa.string()),
            phashes.fill_null(0).to_numpy(),
            np.frombuffer(octets, np.uint8).reshape(-1, 32),
            usable.to_numpy(zero_copy_only=False),
        )

    def pdq(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        return self.pdqs[positions]

    def find_sha256(self, hexes: Sequence[str], most: int | None = None) -> list[npt.NDArray[np.int64]]:
        places: dict[str, list[int]] = {}
        there = np.flatnonzero(pc.is_in(self.digests, pa.array(hexes, self.digests.type)).to_numpy(zero_copy_only=False))
        for place, digest in zip(there.tolist(), self.digests.take(pa.array(there)).to_pylist(), strict=True):
            places.setdefault(digest, []).append(place)
        return [np.array(places.get(digest, [])[:most], dtype=np.int64) for digest in hexes]

    def searchable(self) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]]:
        yield self.phashes[self.comparable], np.flatnonzero(self.comparable).astype(np.uint32)


def _read(name: str, column: pa.ChunkedArray) -> pa.Array:
    """A key column as every reader has it. Raises BadKeyColumn, also when any value cannot be read: its row would be found by nothing."""
    reading = KEY_COLUMNS[name].read(column)
    for fault in reading.faults:
        example = next(iter(fault.examples.values()), "")
        raise BadKeyColumn(f"{len(fault.positions)} values of the column {name} cannot be read: {fault.reason}, for example {example}")
    return reading.values


def _parts(batches: Iterable[pa.RecordBatch], rows_at_once: int) -> Iterator[_Part]:
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= rows_at_once:
            yield _Part.of(waiting)
            waiting = []
    if waiting:
        yield _Part.of(waiting)


def _matches(part: _Part, queries: Sequence[Query]) -> list[list[Match]]:
    with tempfile.TemporaryDirectory(prefix="demur-") as scratch:
        index = SimilarityIndex.create(Path(scratch)).add(_SOURCE, part.searchable, len(part.uids))
        return find_matches(index, {_SOURCE: part}, queries)


def _told(keys: Sequence[str], uids: pa.Array, matches: Sequence[Sequence[Match]]) -> Iterator[pa.RecordBatch]:
    flat = [(key, match) for key, found in zip(keys, matches, strict=True) for match in found]
    found = [match for _, match in flat]
    columns = {
        "query": [key for key, _ in flat],
        "uid": uids.take(pa.array([match.position for match in found], pa.int64())),
        "kind": [match.kind.value for match in found],
        **{name: [getattr(match, name) for match in found] for name in _ARROW.names[3:]},
    }
    yield from pa.table(columns, schema=_ARROW).to_batches()


@click.command(help=__doc__)
@click.argument("manifest")
@click.argument("queries", type=click.Path(exists=True, path_type=Path))
@click.argument("matches")
def main(manifest: str, queries: Path, matches: str) -> None:
    spark = SparkSession.builder.appName("demur near duplicates").getOrCreate()
    near_duplicates(spark.read.parquet(manifest), read_queries(queries)).write.parquet(matches)
    spark.stop()


if __name__ == "__main__":
    main()
