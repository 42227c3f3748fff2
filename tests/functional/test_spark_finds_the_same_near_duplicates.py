"""The join as a Spark job over partitions of a manifest, against one index over all of it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import Row, SparkSession

from demur.adapters.spark import near_duplicates
from demur.manifests import Catalogue, import_manifest
from demur.manifests.indexing import catalogue_rows
from demur.similarity.index import SimilarityIndex
from demur.similarity.query import Query, Variant
from demur.similarity.query_table import NotQueries, read_queries, write_queries
from demur.similarity.rules import MatchKind
from demur.similarity.search import find_matches

ROWS = 6_000
PARTITIONS = 4


def near(bits: np.ndarray, flips: int, rng: np.random.Generator) -> np.ndarray:
    changed = bits.copy()
    changed[rng.choice(len(bits), flips, replace=False)] ^= 1
    return changed


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Families of near duplicates at all distances around the rules' bounds; some rows without hashes, some of too little texture."""
    rng = np.random.default_rng(7)
    families = [(rng.integers(0, 2, 64, dtype=np.uint8), rng.integers(0, 2, 256, dtype=np.uint8)) for _ in range(ROWS // 12)]
    phashes, pdqs = [], []
    for number in range(ROWS):
        phash, pdq = families[number % len(families)]
        phashes.append(near(phash, int(rng.integers(0, 14)), rng))
        pdqs.append(near(pdq, int(rng.integers(0, 100)), rng))
    order = rng.permutation(ROWS)
    missing = rng.random(ROWS) < 0.05
    table = pa.table(
        {
            "uid": [f"photo-{number:05}" for number in order],
            "owner": [f"member-{number % 50}" for number in order],
            "url": [f"https://photos.example/{number}" for number in order],
            "caption": ["a photo"] * ROWS,
            "sha256": [f"{number // 2:064x}" for number in order],
            "phash": pa.array([int.from_bytes(np.packbits(bits).tobytes(), "big") for bits in phashes], pa.uint64(), mask=missing),
            "pdq": pa.array([np.packbits(bits).tobytes() for bits in pdqs], pa.binary(32), mask=missing),
            "pdq_quality": pa.array(rng.integers(30, 101, ROWS), pa.uint8(), mask=missing),
        }
    )
    path = tmp_path_factory.mktemp("spark") / "manifest.parquet"
    pq.write_table(table, path, row_group_size=ROWS // PARTITIONS)
    return path


def queries_of(manifest: Path) -> dict[str, Query]:
    """Every fortieth row under two orientations, and one picture that no row shows."""
    rows = pq.ParquetFile(manifest).read(use_threads=False).to_pylist()[::40]
    known = {row["uid"]: row for row in rows if row["phash"] is not None}
    found = {uid: Query(row["sha256"], (variant("", 0, row, 0), variant("cropped", 5, row, 0b1011))) for uid, row in known.items()}
    return {**found, "nobody's": Query("f" * 64, (Variant("", 0, 1, bytes(32), 100),))}


def variant(edit: str, dihedral: int, row: dict[str, object], flips: int) -> Variant:
    assert isinstance(row["phash"], int)
    assert isinstance(row["pdq"], bytes)
    return Variant(edit, dihedral, row["phash"] ^ flips, row["pdq"], 90)


def on_one_machine(manifest: Path, scratch: Path, queries: dict[str, Query]) -> set[Row]:
    import_manifest(manifest, scratch / "catalogue", name="all", workers=0)
    catalogue = Catalogue.open(scratch / "catalogue")
    source = catalogue_rows(catalogue, "all")
    index = SimilarityIndex.create(scratch / "index").add("all", source.batches, source.rows)
    uids = catalogue.read(0, len(catalogue), ["uid"])["uid"].to_pylist()
    matches = find_matches(index, {"all": catalogue}, list(queries.values()))
    return {
        Row(
            query=key,
            uid=uids[match.position],
            kind=match.kind.value,
            phash_distance=match.phash_distance,
            pdq_distance=match.pdq_distance,
            edit=match.edit,
            dihedral=match.dihedral,
        )
        for key, found in zip(queries, matches, strict=True)
        for match in found
    }


@pytest.mark.parametrize("rows_at_once", [500, 1 << 20])
def test_partitions_of_any_size_give_the_matches_of_one_index(
    spark: SparkSession, manifest: Path, tmp_path: Path, rows_at_once: int
) -> None:
    queries = queries_of(manifest)
    expected = on_one_machine(manifest, tmp_path, queries)
    assert {row["kind"] for row in expected} == {kind.value for kind in MatchKind}
    rows = spark.read.parquet(str(manifest)).repartition(PARTITIONS)
    found = near_duplicates(rows, queries, rows_at_once=rows_at_once).collect()
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_hashes_may_be_signed_as_spark_keeps_them(spark: SparkSession, manifest: Path) -> None:
    queries = queries_of(manifest)
    rows = spark.read.parquet(str(manifest))
    signed = rows.selectExpr(
        "uid", "sha256", "pdq", "pdq_quality", "cast(if(phash >= 9223372036854775808, phash - 18446744073709551616, phash) as bigint) phash"
    )
    assert set(near_duplicates(signed, queries).collect()) == set(near_duplicates(rows, queries).collect())


def test_queries_travel_as_a_table(manifest: Path, tmp_path: Path) -> None:
    queries = queries_of(manifest)
    write_queries(tmp_path / "queries.parquet", queries)
    assert read_queries(tmp_path / "queries.parquet") == queries
    for wrong in (manifest, tmp_path / "broken.parquet"):
        (tmp_path / "broken.parquet").write_bytes((tmp_path / "queries.parquet").read_bytes()[:-9])
        with pytest.raises(NotQueries):
            read_queries(wrong)
