"""The test vector of deletion vectors, for implementations in any language (docs/formats/deletion-vector.md).

    python -m tests.support.deletion_vector_vectors

writes tests/vectors/deletion-vector anew.
"""

import hashlib
import json
import shutil
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyroaring import BitMap

from demur.fields import rfc3339
from demur.runs import ManifestReference
from demur.signing import SigningKey
from demur.vectors.bitmaps import encoded
from demur.vectors.head import ListVersion, VectorsHead
from demur.vectors.reader import manifest_directory
from demur.vectors.tables import DELETIONS_SCHEMA, SHARDS_SCHEMA, Line
from demur.vectors.writer import HEADS, LOCK, VectorsDirectory
from tests.support.exclusion_lists import LIFETIME, NOW

DIRECTORY = Path(__file__).parents[1] / "vectors" / "deletion-vector"
MANIFEST = "photos of the harbour, März 2026"
SHARDS: dict[str, tuple[list[int], list[int]]] = {
    # Registered places, and those of them that are deleted: runs, single numbers, and beyond the first 65,536.
    "00000.parquet": ([*range(10_000)], [0, 1, 2, 3, 17, 4096, 9999]),
    "00001.parquet": ([place for place in range(140_000) if place % 1000 != 7], [*range(65_000, 66_000, 13), 139_999]),
    "00002.parquet": ([0, 1, 5], []),
    "a/00003.tar": ([0, 210, 419, 70_001], [210, 70_001]),
    "übrige/1.jpg": ([0], [0]),
}
KEY = SigningKey("vectors.example", Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"deletion-vector test vector").digest()))


def expected() -> dict[str, object]:
    """What a reader must find. Long lists of places are given as the SHA-256 of their little-endian 32-bit numbers."""
    return {
        "now": rfc3339(NOW),
        "manifest": MANIFEST,
        "shards": {
            shard: {"rows": len(places), "deleted": deleted, "kept": digest(sorted(set(places) - set(deleted)))}
            for shard, (places, deleted) in SHARDS.items()
        },
    }


def digest(places: list[int]) -> dict[str, object]:
    return {"number": len(places), "sha256": hashlib.sha256(b"".join(place.to_bytes(4, "little") for place in places)).hexdigest()}


def main() -> None:
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    rows = sum(len(places) for places, _ in SHARDS.values())
    with VectorsDirectory.locked(DIRECTORY / "vectors" / manifest_directory(MANIFEST)) as vectors:
        names = sorted(SHARDS)
        shards, _ = vectors.write(SHARDS_SCHEMA, (Line(name, len(SHARDS[name][0]), encoded(BitMap(SHARDS[name][0]))) for name in names))
        touched = [name for name in names if SHARDS[name][1]]
        lines = (Line(name, len(SHARDS[name][1]), encoded(BitMap(SHARDS[name][1]))) for name in touched)
        deletions, deleted = vectors.write(DELETIONS_SCHEMA, lines)
        used = ListVersion("vectors.example/list", 12, hashlib.sha256(b"root").hexdigest(), NOW + LIFETIME)
        manifest = ManifestReference(MANIFEST, hashlib.sha256(b"rows.parquet").hexdigest(), rows)
        vectors.publish(VectorsHead(manifest, used, deleted, shards, deletions), KEY)
        shutil.rmtree(vectors.path / HEADS)
        (vectors.path / LOCK).unlink()
    (DIRECTORY / "key.txt").write_text(f"{KEY.verifier}\n")
    (DIRECTORY / "expected.json").write_text(json.dumps(expected(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
