"""A small manifest with everything that deletion vectors can stumble over, and its vectors made from real lists."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from demur.exclusions import Entry, KeyKind, Version
from demur.exclusions.matching import Matcher
from demur.exclusions.table import EntryTable
from demur.manifests import Catalogue, import_manifest
from demur.manifests.indexing import catalogue_rows
from demur.runs import ManifestReference
from demur.signing import SigningKey
from demur.similarity.index import SimilarityIndex
from demur.vectors.finding import Rows
from demur.vectors.published import PublishedList
from demur.vectors.reader import manifest_directory
from demur.vectors.updating import Derivation
from tests.support.exclusion_lists import publish

ROWS, SHARD_ROWS = 240, 50
SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("uid", "owner", "url", "visibility", "sha256")),
        pa.field("phash", pa.uint64()),
        pa.field("pdq", pa.binary(32)),
        pa.field("pdq_quality", pa.uint8()),
    ]
)


def source_rows() -> list[dict[str, object]]:
    """Families of near duplicates around the bounds of what is confirmed, bytes that several rows share, few owners and urls, private rows
    and second rows of a uid, which no import takes in."""
    choose = random.Random(4)
    families = [(choose.getrandbits(64), choose.getrandbits(256)) for _ in range(12)]
    rows: list[dict[str, object]] = []
    for number in range(ROWS):
        phash, pdq = choose.choice(families)
        row = {
            "uid": f"photo-{number if number % 40 else number // 2}",
            "owner": choose.choice(["", "ada", "ben", "zoë"]),
            "url": f"https://photos.example/{number // 3}" if number % 5 else None,
            "visibility": "private" if number % 17 == 3 else "public",
            "sha256": f"{number // 4:064x}" if number % 7 else None,
            "phash": flipped(choose, phash, 64, choose.randrange(14)) if number % 11 else None,
            "pdq": flipped(choose, pdq, 256, choose.randrange(60)).to_bytes(32, "big") if number % 13 else None,
            "pdq_quality": choose.randrange(40, 100),
        }
        rows.append(row)
    return rows


def flipped(choose: random.Random, value: int, bits: int, count: int) -> int:
    for bit in choose.sample(range(bits), count):
        value ^= 1 << bit
    return value


def keys_of(rows: Iterable[dict[str, object]]) -> list[Entry]:
    """Every entry that could exclude any of the rows, and some that exclude none."""
    entries = {Entry(KeyKind.UID, "nobody's"), Entry(KeyKind.OWNER, "nobody"), Entry(KeyKind.SHA256, "f" * 64)}
    for row in rows:
        entries |= {Entry(kind, str(row[kind])) for kind in (KeyKind.UID, KeyKind.OWNER, KeyKind.URL, KeyKind.SHA256) if row[kind]}
        if isinstance(row["phash"], int) and isinstance(row["pdq"], bytes):
            entries.add(Entry(KeyKind.PHASH, f"{row['phash']:016x}", row["pdq"].hex()))
    return sorted(entries)


@dataclass
class Publisher:
    """Publishes lists, and derives one manifest's vectors from them."""

    catalogue: Catalogue
    index: SimilarityIndex
    directory: Path
    key: SigningKey
    versions: list[Version] = field(default_factory=list)

    @property
    def list_dir(self) -> Path:
        return self.directory / "list"

    @property
    def vectors_dir(self) -> Path:
        return self.directory / "vectors"

    @property
    def manifest_dir(self) -> Path:
        return self.vectors_dir / manifest_directory(self.catalogue.name)

    def publish(self, entries: Iterable[Entry]) -> Version:
        self.list_dir.mkdir(parents=True, exist_ok=True)
        self.versions.append(publish(self.list_dir, self.key, entries, self.versions[-1] if self.versions else None))
        return self.versions[-1]

    def derive(self, *, afresh: bool = False, into: Path | None = None) -> bool:
        return self.derivation().update(into or self.manifest_dir, afresh=afresh)

    def derivation(self) -> Derivation:
        return Derivation(
            ManifestReference(self.catalogue.name, self.catalogue.digest, self.catalogue.rows),
            Rows(self.catalogue, self.index, self.catalogue.name),
            PublishedList.open(self.list_dir, self.key.verifier),
            self.key,
            lambda done, total, stage: None,
        )

    def judged(self, entries: Iterable[Entry]) -> dict[str, set[int]]:
        """By the plain definition: every row of Parquet shards is judged by the whole list; the places of the excluded ones, by shard."""
        table = pa.Table.from_batches(list(self.catalogue.batches()))
        excluded = table.filter(pa.array(Matcher(EntryTable.of(entries)).judge(table).kinds >= 0))
        places: dict[str, set[int]] = {}
        for shard, row in zip(excluded["shard"].to_pylist(), excluded["row"].to_pylist(), strict=True):
            places.setdefault(shard, set()).add(row)
        return places


def import_troublesome(directory: Path) -> tuple[Catalogue, SimilarityIndex]:
    """The rows above as Parquet shards, imported and indexed."""
    source = directory / "source"
    source.mkdir(parents=True)
    rows = source_rows()
    for number, start in enumerate(range(0, ROWS, SHARD_ROWS)):
        pq.write_table(pa.Table.from_pylist(rows[start : start + SHARD_ROWS], SCHEMA), source / f"{number:05d}.parquet")
    import_manifest(source, directory / "catalogue", name="troublesome", workers=0)
    return indexed(Catalogue.open(directory / "catalogue"), directory / "index")


def indexed(catalogue: Catalogue, path: Path) -> tuple[Catalogue, SimilarityIndex]:
    rows = catalogue_rows(catalogue, catalogue.name)
    return catalogue, SimilarityIndex.create(path).add(catalogue.name, rows.batches, rows.rows)
