"""Imports a manifest: a stream of rows in, an immutable catalogue out, or nothing at all.

Two passes, in the memory of a few hundred thousand rows (and 60 bytes a row for the tables that find rows again). The first reads,
checks, completes and spills rows in sorted runs; the second drops later copies of a uid, and uids that another row hides, and writes the
rows in order.
"""

import errno
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from demur.digests import sha256_file
from demur.files import atomic_directory
from demur.manifests.acceptance import Acceptance
from demur.manifests.completion import complete
from demur.manifests.digest_table import U64, text_digests
from demur.manifests.duplicates import later_copies, repeated, rows_of
from demur.manifests.errors import EmptySource, NoSpace
from demur.manifests.fingerprints import FingerprintPool
from demur.manifests.rejections import Reason, Rejections
from demur.manifests.schema import SCHEMA
from demur.manifests.sources.detect import open_source
from demur.manifests.sources.source import Source
from demur.manifests.spill import Spill
from demur.manifests.writing import RowsWriter, TablesWriter
from demur.similarity.fingerprint import FINGERPRINT_VERSION

CATALOGUE_FORMAT = 1
SPILLED = SCHEMA.append(pa.field("digest", pa.uint64())).append(pa.field("ordinal", pa.int64()))


@dataclass(frozen=True)
class Progress:
    """How far an import is: `done` of `total` rows (None: not known beforehand) of the stage reading, writing or indexing."""

    stage: str
    done: int
    total: int | None


@dataclass(frozen=True)
class ImportReport:
    """What became of a manifest's rows: how many entered, how many did not by reason, and up to five examples of each reason.

    `notes`: what else was met, and how often, such as samples with several pictures. Nothing was left out for it.
    """

    rows: int
    rejected: dict[str, int]
    examples: dict[str, list[str]]
    digest: str
    seconds: float
    notes: dict[str, int] = field(default_factory=dict)


def import_manifest(
    source: Path,
    target: Path,
    *,
    name: str,
    progress: Callable[[Progress], None] | None = None,
    workers: int | None = None,
    skip_empty: bool = False,
) -> ImportReport:
    """Imports the manifest at `source` into a new catalogue directory `target`, which appears whole or not at all.

    Args:
        name: what people will call the manifest.
        progress: called now and then, always in the caller's thread.
        workers: processes that compute missing fingerprints; None for one a core, 0 for none but this one.
        skip_empty: leave shards of 0 bytes out of a directory.

    Raises:
        UnknownFormat, EmptySource, MissingColumn, TruncatedSource, NoSpace: see each, all `ManifestError`.
        TargetExists: `target` is there already.
    """
    with _no_space_named(target), atomic_directory(target) as scratch:
        return _Import(open_source(source, skip_empty=skip_empty), scratch, name, progress or (lambda _: None), workers).run()


@contextmanager
def _no_space_named(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NoSpace(f"There is not enough space to write {target}; nothing was left behind.") from error
        raise


class _Import:
    def __init__(self, source: Source, scratch: Path, name: str, progress: Callable[[Progress], None], workers: int | None) -> None:
        self._source, self._scratch, self._name = source, scratch, name
        self._progress, self._workers = progress, workers
        self._rejected = Rejections()
        self._digests: list[U64] = []
        self._read = 0

    def run(self) -> ImportReport:
        started = time.monotonic()
        spilled = self._scratch / "spill.arrow"  # removed before the catalogue appears
        spill = Spill(spilled, SPILLED)
        try:
            self._read_into(spill)
            rows, digest = self._write_rows(spill)
        finally:
            spill.close()
            spilled.unlink()
        return self._describe(rows, digest, started)

    def _read_into(self, spill: Spill) -> None:
        with FingerprintPool(self._source.root, self._workers) as pool:
            for batch in _ahead(self._accepted()):
                done = complete(batch, pool, self._rejected, self._advance)
                digests = text_digests(done["uid"])
                ordinals = np.arange(spill.rows, spill.rows + done.num_rows)
                self._digests.append(digests)
                spill.add(pa.RecordBatch.from_arrays([*done.columns, pa.array(digests), pa.array(ordinals)], schema=SPILLED))
        spill.finish()
        if spill.rows == 0:
            left_out = ", ".join(f"{reason} {count}" for reason, count in sorted(self._rejected.counts.items())) or "it has none"
            raise EmptySource(f"No row of this manifest could be imported: {left_out}.")

    def _accepted(self) -> Iterator[pa.RecordBatch]:
        for batch in self._source.batches(self._rejected):
            yield Acceptance.accept(batch, self._source.root, self._rejected)

    def _advance(self, rows: int) -> None:
        self._read += rows
        self._progress(Progress("reading", self._read, self._source.total))

    def _write_rows(self, spill: Spill) -> tuple[int, str]:
        dropped = self._dropped(spill)
        total = spill.rows - len(dropped)
        rows, tables = RowsWriter(self._scratch), TablesWriter(self._scratch)
        with closing(tables), closing(rows):
            for batch in _ahead(spill.ranges()):
                kept = batch.filter(pa.array(~np.isin(batch["ordinal"].to_numpy(), dropped))) if len(dropped) else batch
                rows.write(kept.select(SCHEMA.names))
                tables.add(kept, kept["digest"].to_numpy())
                self._progress(Progress("writing", tables.rows, total))
        self._progress(Progress("indexing", 0, total))
        with ThreadPoolExecutor(1) as thread:
            digest = thread.submit(sha256_file, self._scratch / "rows.parquet")
            tables.finish()
            self._progress(Progress("indexing", total, total))
            return total, digest.result()

    def _dropped(self, spill: Spill) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        columns = ["uid", "digest", "ordinal"]
        suspect = repeated(self._digests)
        self._digests.clear()
        copies, uids = later_copies(spill.columns(columns), suspect)
        if len(copies):
            self._rejected.add(Reason.DUPLICATE_UID, (f"uid {uid!r} came before" for uid in uids), len(copies))
        hidden, uids = rows_of(spill.columns(columns), np.unique(np.concatenate(self._rejected.hidden or [np.empty(0, np.uint64)])))
        fresh = np.setdiff1d(hidden, copies)
        if len(fresh):
            self._rejected.add(Reason.NOT_PUBLIC, (f"uid {uid!r} is not public in another row" for uid in uids), len(fresh))
        return np.union1d(copies, hidden)

    def _describe(self, rows: int, digest: str, started: float) -> ImportReport:
        seconds = round(time.monotonic() - started, 3)
        report = ImportReport(rows, dict(self._rejected.counts), self._rejected.examples, digest, seconds, dict(self._rejected.notes))
        described = {
            "format": CATALOGUE_FORMAT,
            "name": self._name,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "fingerprint_version": FINGERPRINT_VERSION,
            "source": {"kind": self._source.kind, "root": str(self._source.root)},
            "report": asdict(report),
        }
        (self._scratch / "catalogue.json").write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n")
        return report


T = TypeVar("T")


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items; the next is made in a thread while the caller works on this one."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(_next, items)
        while found := coming.result():
            coming = thread.submit(_next, items)
            yield found[0]


def _next(items: Iterator[T]) -> tuple[T] | None:
    for item in items:
        return (item,)
    return None
