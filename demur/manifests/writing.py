"""Writes the files of a catalogue from its rows in order (see docs/formats/catalogue.md)."""

from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from demur.exclusions.columns import usual
from demur.manifests.digest_table import U64, DigestTable, sha256_digests, text_digests
from demur.manifests.schema import SCHEMA
from demur.manifests.table_digests import UNUSUAL_ROWS, write_digests

ROW_GROUP_ROWS = 32_768
"""Small enough that a page of one owner's photos decodes few rows that nobody asked for."""
TABLED = ("uid", "owner", "sha256", "pdq")
"""The columns that `TablesWriter` needs."""
U32 = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]


class RowsWriter:
    """rows.parquet. Texts that repeat get a dictionary; digests, which cannot be compressed, are not tried."""

    def __init__(self, directory: Path) -> None:
        repeating, compressible = ["owner", "shard"], ("owner", "shard", "url", "caption")
        self._parquet = pq.ParquetWriter(
            directory / "rows.parquet",
            SCHEMA,
            use_dictionary=repeating,
            compression={name: "snappy" if name in compressible else "none" for name in SCHEMA.names},
            write_statistics=["owner", "posted_at"],
        )

    def write(self, batch: pa.RecordBatch) -> None:
        """Appends rows with the columns of SCHEMA, as row groups of about equal size. Raises OSError."""
        groups = -(-batch.num_rows // ROW_GROUP_ROWS)
        self._parquet.write_batch(batch, row_group_size=-(-batch.num_rows // max(groups, 1)))

    def close(self) -> None:
        """Finishes the file. Raises OSError."""
        self._parquet.close()


class TablesWriter:
    """All that finds rows again: pdq.bin while rows pass, the digest tables at the end. 40 bytes of memory a row."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pdq: IO[bytes] = (directory / "pdq.bin").open("wb")
        self._uids: list[U64] = []
        self._sha256: list[tuple[U64, U32]] = []
        self._owners: list[tuple[U64, U32]] = []
        self._unusual: list[U32] = []
        self._last_owner: str | None = None
        self.rows = 0

    def add(self, batch: pa.RecordBatch, uid_digests: U64) -> None:
        """Takes the next rows, with the columns of TABLED. Raises OSError."""
        if batch.num_rows == 0:
            return
        rows = np.arange(self.rows, self.rows + batch.num_rows, dtype=np.uint32)
        self._pdq.write(_pdq_bytes(batch["pdq"]))
        self._uids.append(uid_digests)
        self._sha256.append(_digested(batch["sha256"], rows))
        self._add_owners(batch["owner"])
        self._unusual.append(rows[_unusual(batch["uid"]) | _unusual(batch["owner"])])
        self.rows += batch.num_rows

    def _add_owners(self, owners: pa.Array) -> None:
        runs = pc.run_end_encode(owners, run_end_type=pa.int32())
        starts = np.concatenate([[0], runs.run_ends.to_numpy()[:-1]]).astype(np.uint32) + np.uint32(self.rows)
        continues = runs.values[0].as_py() == self._last_owner
        self._owners.append((text_digests(runs.values)[continues:], starts[continues:]))
        self._last_owner = runs.values[-1].as_py()

    def close(self) -> None:
        """Lets go of pdq.bin. Raises OSError."""
        self._pdq.close()

    def finish(self) -> None:
        """Writes the tables, one at a time, and forgets what each was made from. Raises OSError."""
        self.close()
        pa.default_memory_pool().release_unused()
        uids, self._uids = np.concatenate(self._uids), []
        DigestTable.build(self._directory / "uid", uids, np.arange(self.rows, dtype=np.uint32))
        del uids
        DigestTable.build(self._directory / "sha256", *_joined(self._sha256))
        digests, starts = _joined(self._owners)
        DigestTable.build(self._directory / "owner", digests, starts)
        starts.astype("<u4").tofile(self._directory / "owner.starts")
        np.concatenate(self._unusual).astype("<u4").tofile(self._directory / UNUSUAL_ROWS)
        write_digests(self._directory)


def _joined(parts: list[tuple[U64, U32]]) -> tuple[U64, U32]:
    """Both columns of `parts` as one array each; `parts` is emptied."""
    values, rows = (np.concatenate(column) for column in zip(*parts, strict=True))
    parts.clear()
    return values, rows


def _unusual(identifiers: pa.StringArray) -> Mask:
    """(n,) Those in a spelling under which nobody looks for them."""
    plain = usual(identifiers)
    if plain is identifiers:
        return np.zeros(len(identifiers), dtype=np.bool_)
    mask: Mask = pc.not_equal(plain, identifiers.cast(plain.type)).to_numpy(zero_copy_only=False)
    return mask


def _pdq_bytes(pdq: pa.Array) -> memoryview:
    """32 bytes a row, zeros where a row has none."""
    filled = pdq.fill_null(bytes(32)) if pdq.null_count else pdq
    return memoryview(filled.buffers()[1])[32 * filled.offset : 32 * (filled.offset + len(filled))]


def _digested(sha256: pa.Array, rows: U32) -> tuple[U64, U32]:
    if sha256.null_count:
        there = sha256.is_valid()
        sha256, rows = sha256.filter(there), rows[there.to_numpy(zero_copy_only=False)]
    return sha256_digests(sha256), rows
