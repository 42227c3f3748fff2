"""Copies a manifest of any kind without its excluded rows. The copy appears whole or not at all."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from demur.exclusions.reader import ExclusionList
from demur.files import TargetExists, atomic_directory, atomic_file
from demur.filtering.parquet import filter_parquet
from demur.filtering.records import filter_csv, filter_jsonl
from demur.filtering.report import FilterReport, Progress
from demur.filtering.webdataset import filter_webdataset
from demur.manifests.errors import EmptySource, UnknownFormat
from demur.manifests.pictures import suffix

_Filter = Callable[[Path, Path, ExclusionList, FilterReport, Progress], None]
_FILTERS: dict[str, _Filter] = {
    ".parquet": filter_parquet,
    ".csv": filter_csv,
    ".tsv": partial(filter_csv, delimiter="\t"),
    ".jsonl": filter_jsonl,
    ".ndjson": filter_jsonl,
    ".tar": filter_webdataset,
}


def filter_manifest(
    source: Path,
    target: Path,
    exclusions: ExclusionList,
    progress: Progress = lambda done, total: None,
    *,
    allow_unreadable: int = 0,
) -> FilterReport:
    """Writes `source` without the rows that `exclusions` excludes to `target`, in the same format.

    A catalogue directory gives one Parquet file of its kept rows; any other directory a directory of its filtered shards, whose other
    files are not copied. Memory is bounded by a batch of rows.

    Args:
        allow_unreadable: how many rows may be left out because they cannot be compared with the list.

    Raises:
        UnreadableRows: more rows than allowed cannot be compared, or none can be.
        UnknownFormat, EmptySource, UnreadableManifest: nothing that can be read.
        NoKeyColumn, BadKeyColumn: nothing that a list could exclude by.
        TargetExists: a directory is to be written where something is.
        OSError.
    """
    report = FilterReport(allow_unreadable=allow_unreadable)
    catalogue = source / "rows.parquet"
    if (source / "catalogue.json").is_file() and catalogue.is_file():
        _filter_file(catalogue, target, exclusions, report, progress)
    elif source.is_dir():
        _filter_directory(source, target, exclusions, report, progress)
    else:
        _filter_file(source, target, exclusions, report, progress)
    return report


def _filter_file(source: Path, target: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress) -> None:
    if not source.is_file():
        raise UnknownFormat(f"there is no file or directory {source}")
    if target.is_dir():
        raise TargetExists(f"{target} is a directory; give the name of the file to write")
    if suffix(source.name) not in _FILTERS:
        raise UnknownFormat(f"{source} is not a manifest that can be filtered: its name ends in none of {', '.join(_FILTERS)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    report.begin(source.name)
    with atomic_file(target) as scratch:
        _FILTERS[suffix(source.name)](source, scratch, exclusions, report, progress)
        report.refuse_unreadable()


def _filter_directory(source: Path, target: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress) -> None:
    shards = sorted(path for path in source.iterdir() if suffix(path.name) in _FILTERS and path.is_file())
    if not shards:
        raise EmptySource(f"{source} holds no manifest: no file in it ends in any of {', '.join(_FILTERS)}")
    with atomic_directory(target) as scratch:
        for done, shard in enumerate(shards):
            report.begin(shard.name)
            _FILTERS[suffix(shard.name)](shard, scratch / shard.name, exclusions, report, lambda _done, _total: None)
            progress(done + 1, len(shards))
        report.refuse_unreadable()
