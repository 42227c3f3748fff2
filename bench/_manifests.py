"""Manifests of any number of rows, as a platform for photos has them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MEMBER = "member-of-4000-photos"
MEMBER_PHOTOS = 4_000
CHUNK_ROWS = 1_000_000
COPY_ROWS = 131_072
"""Batches in which the peer reads and writes; larger ones made it slower, and its memory 3 GB."""
VOCABULARY = """
a the old red quiet bright our small last first morning evening harbour street garden mountain river window kitchen dog cat child friend
boat train bridge market winter summer snow rain light shadow under over beside before after with without
"""
WORDS = VOCABULARY.split()


def make_manifest(path: Path, rows: int, columns: Sequence[str] = (), seed: int = 0) -> None:
    """A Parquet manifest of `rows` rows in random order, with all columns that there are unless some are named.

    Owners have a heavy tail, and one of them exactly MEMBER_PHOTOS rows.
    """
    rng = np.random.default_rng(seed)
    members = np.sort(rng.choice(rows, min(MEMBER_PHOTOS, rows), replace=False))
    scratch = path.with_suffix(".part")
    writer = None
    for start in range(0, rows, CHUNK_ROWS):
        size = min(CHUNK_ROWS, rows - start)
        inside = members[(members >= start) & (members < start + size)] - start
        chunk = _chunk(rng, size, inside)
        chunk = chunk.select(columns or chunk.schema.names)
        writer = writer or pq.ParquetWriter(scratch, chunk.schema)
        writer.write_table(chunk)
    if writer:
        writer.close()
    scratch.replace(path)


def _chunk(rng: np.random.Generator, size: int, member_rows: npt.NDArray[np.int64]) -> pa.Table:
    uids = hex_texts(rng, size, 16)
    numbers = np.minimum(rng.zipf(1.3, size), 50_000_000) + rng.integers(0, 2_000_000, size)
    is_member = np.zeros(size, dtype=np.bool_)
    is_member[member_rows] = True
    owners = pc.if_else(pa.array(is_member), MEMBER, pc.binary_join_element_wise("m", pa.array(numbers).cast(pa.string()), "-"))
    words = [pa.array(WORDS).take(pa.array(rng.integers(0, len(WORDS), size))) for _ in range(10)]
    return pa.table(
        {
            "uid": uids,
            "owner": owners,
            "url": pc.binary_join_element_wise("https://photos.example", owners, uids, "original.jpg", "/"),
            "caption": pc.binary_join_element_wise(*words, " "),
            "width": pa.array(rng.integers(640, 6000, size, dtype=np.int32)),
            "height": pa.array(rng.integers(640, 6000, size, dtype=np.int32)),
            "sha256": hex_texts(rng, size, 32),
            "phash": pa.array(rng.integers(0, 2**64, size, dtype=np.uint64)),
            "pdq": pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), size, [None, pa.py_buffer(rng.bytes(32 * size))]),
            "pdq_quality": pa.array(rng.integers(30, 101, size, dtype=np.uint8)),
            "posted_at": pa.array(rng.integers(1_300_000_000, 1_760_000_000, size), pa.timestamp("s")),
        }
    )


def hex_texts(rng: np.random.Generator, size: int, octets: int) -> pa.Array:
    """`size` random texts of 2 · `octets` hex digits."""
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)[rng.integers(0, 16, size * octets * 2, dtype=np.uint8)]
    offsets = np.arange(size + 1, dtype=np.int32) * (2 * octets)
    return pa.StringArray.from_buffers(size, pa.py_buffer(offsets), pa.py_buffer(digits))


def copy(source: Path, target: Path) -> None:
    """A peer: PyArrow reads the file in batches and writes it again, both with its defaults."""
    with pq.ParquetFile(source) as opened, pq.ParquetWriter(target, opened.schema_arrow) as writer:
        for batch in opened.iter_batches(COPY_ROWS):
            writer.write_batch(batch)
