"""Manifests of any number of rows: as a platform for photos has them, and as LAION wrote them."""

from collections.abc import Callable, Sequence
from itertools import product
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
SYLLABLES = [consonant + vowel for consonant in "ktsnr" for vowel in "aeiou"]
WORDS = ["".join(letters) for count in (1, 2, 3) for letters in product(SYLLABLES, repeat=count)]
"""Some sixteen thousand, of which the first are the shortest."""
LANGUAGES = ["en", "de", "fr", "es", "ru", "ja", "zh", "it", "pl", "nl"]
_SCATTER, _LARGEST_ID = np.uint64(0x9E3779B97F4A7C15), np.uint64(2**43 - 1)


def make_manifest(path: Path, rows: int, columns: Sequence[str] = (), seed: int = 0) -> None:
    """A Parquet manifest of `rows` rows in random order, with all columns that there are unless some are named.

    Owners have a heavy tail, and one of them exactly MEMBER_PHOTOS rows.
    """
    rng = np.random.default_rng(seed)
    members = np.sort(rng.choice(rows, min(MEMBER_PHOTOS, rows), replace=False))

    def chunk(start: int, size: int) -> pa.Table:
        inside = members[(members >= start) & (members < start + size)] - start
        table = _platform_rows(rng, size, inside)
        return table.select(columns or table.schema.names)

    _write(path, rows, chunk)


def make_laion_manifest(path: Path, rows: int, seed: int = 0) -> None:
    """A Parquet manifest of `rows` rows with the ten columns of LAION's metadata, addresses and captions about as long as theirs."""
    rng = np.random.default_rng(seed)
    _write(path, rows, lambda start, size: _laion_rows(rng, start, size))


def laion_ids(start: int, stop: int) -> pa.Int64Array:
    """The SAMPLE_ID of each row from `start` on, rows that no manifest has among them: each once, scattered over 43 bits as LAION's are."""
    return pa.array((np.arange(start, stop, dtype=np.uint64) * _SCATTER & _LARGEST_ID).astype(np.int64))


def _write(path: Path, rows: int, chunk: Callable[[int, int], pa.Table]) -> None:
    """`chunk` makes so many rows from a position on."""
    scratch = path.with_suffix(".part")
    with pq.ParquetWriter(scratch, chunk(0, 0).schema) as writer:
        for start in range(0, rows, CHUNK_ROWS):
            writer.write_table(chunk(start, min(CHUNK_ROWS, rows - start)))
    scratch.replace(path)


def _laion_rows(rng: np.random.Generator, start: int, size: int) -> pa.Table:
    """See https://github.com/rom1504/img2dataset/blob/main/dataset_examples/laion5B.md for what the columns are."""
    hosts = pc.binary_join_element_wise("https://", _words(rng, size, 2, "-"), ".example", "")
    folders = pc.binary_join_element_wise(
        "uploads", pa.array(rng.integers(2004, 2022, size)).cast(pa.string()), _words(rng, size, 1, ""), "/"
    )
    numbers = pa.array(rng.integers(0, 10**9, size)).cast(pa.string())
    files = pc.binary_join_element_wise(_words(rng, size, 4, "-"), numbers, "1024x768.jpg", "-")
    return pa.table(
        {
            "SAMPLE_ID": laion_ids(start, start + size),
            "URL": pc.binary_join_element_wise(hosts, folders, files, "/"),
            "TEXT": _words(rng, size, 10, " "),
            "WIDTH": pa.array(rng.integers(64, 4000, size, dtype=np.int32)),
            "HEIGHT": pa.array(rng.integers(64, 4000, size, dtype=np.int32)),
            "similarity": pa.array(rng.uniform(0.28, 0.45, size)),
            "LANGUAGE": pa.array(LANGUAGES).take(pa.array(rng.integers(0, len(LANGUAGES), size))),
            "hash": pa.array(rng.integers(-(2**63), 2**63, size, dtype=np.int64)),
            "pwatermark": pa.array(rng.random(size, dtype=np.float32)),
            "punsafe": pa.array(rng.random(size, dtype=np.float32)),
        }
    )


def _words(rng: np.random.Generator, size: int, count: int, between: str) -> pa.StringArray:
    """Texts of `count` words each, few of which are frequent."""
    columns = (pa.array(WORDS).take(pa.array(rng.zipf(1.2, size) % len(WORDS))) for _ in range(count))
    return pc.binary_join_element_wise(*columns, between)


def _platform_rows(rng: np.random.Generator, size: int, member_rows: npt.NDArray[np.int64]) -> pa.Table:
    uids = hex_texts(rng, size, 16)
    numbers = np.minimum(rng.zipf(1.3, size), 50_000_000) + rng.integers(0, 2_000_000, size)
    is_member = np.zeros(size, dtype=np.bool_)
    is_member[member_rows] = True
    owners = pc.if_else(pa.array(is_member), MEMBER, pc.binary_join_element_wise("m", pa.array(numbers).cast(pa.string()), "-"))
    return pa.table(
        {
            "uid": uids,
            "owner": owners,
            "url": pc.binary_join_element_wise("https://photos.example", owners, uids, "original.jpg", "/"),
            "caption": _words(rng, size, 10, " "),
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
