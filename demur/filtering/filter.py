"""Copies a manifest of any kind without its excluded rows. The copy appears whole or not at all."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from demur.exclusions.columns import KEY_COLUMNS, BadKeyColumn
from demur.exclusions.entries import KeyKind
from demur.exclusions.reader import ExclusionList
from demur.files import TargetExists, atomic_directory, atomic_file
from demur.filtering.parquet import filter_parquet
from demur.filtering.records import filter_csv, filter_jsonl, is_named_by_paths
from demur.filtering.report import FilterReport, Progress, UnreadableManifest
from demur.filtering.webdataset import filter_webdataset
from demur.manifests.errors import EmptySource, TruncatedSource, UnknownFormat
from demur.manifests.pictures import suffix
from demur.manifests.sources.detect import refuse_empty, refuse_unread, shards_of, tables_of
from demur.manifests.sources.folder import is_part_of_folder
from demur.manifests.sources.parquet import partitions

_Filter = Callable[..., None]
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
    skip_empty: bool = False,
) -> FilterReport:
    """Writes `source` without the rows that `exclusions` excludes to `target`, in the same format.

    A catalogue directory gives one Parquet file of its kept rows; any other directory a directory of its filtered shards, whose other
    files are not copied. Memory is bounded by a batch of rows.

    Args:
        allow_unreadable: how many rows may be left out because they cannot be compared with the list.
        skip_empty: leave shards of 0 bytes out of a directory.

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
        _filter_directory(source, target, exclusions, report, progress, skip_empty)
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
    if KeyKind.UID in exclusions.head.counts and is_part_of_folder(source) and is_named_by_paths(source):
        raise BadKeyColumn(
            f"{source} names pictures by paths, which may begin in a folder above it: filter the folder that was imported, not its table"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    report.begin(source.name)
    with atomic_file(target) as scratch:
        _FILTERS[suffix(source.name)](source, scratch, exclusions, report, progress)
        report.refuse_unreadable()


def _filter_directory(
    source: Path, target: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress, skip_empty: bool
) -> None:
    shards = _shards(source, skip_empty)
    tables = tables_of(source, shards)
    if not shards and not tables:
        raise EmptySource(
            f"{source} holds no manifest: no file in it ends in any of {', '.join(_FILTERS)}; import a folder of pictures and filter its "
            "catalogue"
        )
    if not tables:
        refuse_unread(source, shards)
    _refuse_keys_of_folders(shards, source)
    shards = tables or shards
    with atomic_directory(target) as scratch:
        for done, shard in enumerate(shards):
            within = shard.relative_to(source)
            report.begin(within.as_posix())
            (scratch / within).parent.mkdir(parents=True, exist_ok=True)
            folder = within.parent.as_posix() if tables else "."
            _filter_of(shard, folder)(shard, scratch / within, exclusions, report, lambda _done, _total: None)
            progress(done + 1, len(shards))
        report.refuse_unreadable()


def _filter_of(shard: Path, folder: str) -> _Filter:
    """`folder`: where paths of the shard begin, as in a folder of pictures with a table in each split; "." for the root."""
    found = _FILTERS[suffix(shard.name)]
    return found if folder == "." else partial(found, folder=folder)


def _shards(source: Path, skip_empty: bool) -> list[Path]:
    """Raises UnreadableManifest: one has 0 bytes, or is no plain file."""
    try:
        shards = [path for path in shards_of(source) if suffix(path.name) in _FILTERS and not (skip_empty and path.stat().st_size == 0)]
        refuse_empty(shards)
    except TruncatedSource as error:
        raise UnreadableManifest(str(error).rstrip(".")) from error
    return shards


def _refuse_keys_of_folders(shards: Sequence[Path], source: Path) -> None:
    """Raises BadKeyColumn where the names of folders are keys, which no shard holds."""
    for name in {name for shard in shards for name in partitions(source, shard)}:
        if any(name.lower() in column.aliases for column in KEY_COLUMNS.values()):
            raise BadKeyColumn(f"{source} names the {name} of its rows by its folders, {name}=…, which no entry can be compared with")
