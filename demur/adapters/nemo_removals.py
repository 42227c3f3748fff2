"""What NeMo Curator's `ImageDuplicatesRemovalStage` takes out: the ids, in its reader's own counting, of a tar's excluded samples.

`ImageReaderStage` (NeMo Curator 1.4) reads the `.jpg` members of tars and drops their names: the picture with index 7 of `shard.tar` is
called `shard_000007`. So neither a key nor a uid removes anything there, and whoever writes removals has to count as the reader counts.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from demur.adapters.judging import tell
from demur.exclusions import ExclusionList
from demur.files import atomic_directory
from demur.filtering.report import FilterReport, Progress
from demur.filtering.webdataset import judged_samples
from demur.manifests.errors import EmptySource

_READ = "jpg"  # the reader knows no other extension, and takes it as it is spelled
_SCHEMA = pa.schema({"id": pa.string()})


def write_removals(
    tars: Path, target: Path, exclusions: ExclusionList, progress: Progress = lambda done, total: None, *, allow_unreadable: int = 0
) -> FilterReport:
    """Writes to the new directory `target`, for each tar in the directory `tars` and below, a Parquet file with the ids of what goes.

    Holds for partitions of one tar each, which is what `FilePartitioningStage` makes unless it is told otherwise. Tars of the same name
    share their ids: what goes from one goes from the other. Samples are judged by key, .json member, digest and look, as `demur filter`
    judges them; up to `allow_unreadable` samples that cannot be compared go as well. Memory is bounded by a batch of samples and the ids
    of a tar.

    Raises UnreadableRows, EmptySource, UnreadableManifest, BadKeyColumn, TargetExists, OSError.
    """
    files, report = sorted(tars.rglob("*.tar")), FilterReport(allow_unreadable=allow_unreadable)
    if not files:
        raise EmptySource(f"{tars} holds no tar")
    with atomic_directory(target) as scratch:
        for done, tar in enumerate(files, start=1):
            report.begin(tar.name)
            ids = pa.table({"id": list(_excluded(tar, exclusions, report))}, schema=_SCHEMA)
            pq.write_table(ids, scratch / f"{done:06d}.parquet")
            progress(done, len(files))
        report.refuse_unreadable()
    tell(report.not_applied, exclusions, str(tars))
    return report


def _excluded(tar: Path, exclusions: ExclusionList, report: FilterReport) -> Iterator[str]:
    number = 0
    for sample, keep in judged_samples(tar, exclusions, report, lambda done, total: None):
        if _READ not in (member.extension for member in sample.members):
            continue
        if not keep:
            yield f"{tar.stem}_{number:06d}"
        number += 1
