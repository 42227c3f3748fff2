"""Lists of addresses for img2dataset without the excluded ones, so that these are not even downloaded."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from demur.adapters.judging import tell
from demur.exclusions import ExclusionList
from demur.files import atomic_directory, atomic_file
from demur.filtering.parquet import filter_parquet
from demur.filtering.records import filter_addresses, filter_csv, filter_jsonl
from demur.filtering.report import FilterReport, Progress
from demur.manifests.errors import EmptySource, UnknownFormat

_Filter = Callable[[Path, Path, ExclusionList, FilterReport, Progress], None]


def filter_url_list(
    url_list: Path,
    target: Path,
    exclusions: ExclusionList,
    *,
    input_format: str,
    url_col: str = "url",
    allow_unreadable: int = 0,
    progress: Progress = lambda done, total: None,
) -> FilterReport:
    """Writes `url_list` without its excluded rows to `target`: a file, or a directory of files as img2dataset takes it.

    Args:
        input_format, url_col: as they are given to img2dataset. txt (one address a line), csv, tsv, jsonl or parquet. Rows are also judged
            by the other key columns that they have, such as a uid or the sha256 to verify.
        allow_unreadable: how many rows may be left out because they cannot be compared with the list.
        progress: told of each file's rows or bytes.

    Memory is bounded by a batch of rows; a target appears whole or not at all. Raises UnknownFormat (also for packed lists, which are to be
    unpacked first), EmptySource, UnreadableRows, UnreadableManifest, NoKeyColumn, BadKeyColumn, TargetExists, OSError.
    """
    filter_file, report = _filter(input_format, url_col), FilterReport(allow_unreadable=allow_unreadable)
    if url_list.is_dir():
        with atomic_directory(target) as scratch:
            for file in _files(url_list, input_format):
                report.begin(file.name)
                filter_file(file, scratch / file.name, exclusions, report, progress)
            report.refuse_unreadable()
    else:
        report.begin(url_list.name)
        with atomic_file(target) as scratch:
            filter_file(url_list, scratch, exclusions, report, progress)
            report.refuse_unreadable()
    tell(report.not_applied, exclusions, str(url_list))
    return report


def _filter(input_format: str, url_col: str) -> _Filter:
    given = {"url": url_col}
    filters: dict[str, _Filter] = {
        "txt": filter_addresses,
        "csv": partial(filter_csv, given=given, delimiter=","),
        "tsv": partial(filter_csv, given=given, delimiter="\t"),
        "jsonl": partial(filter_jsonl, given=given),
        "parquet": partial(filter_parquet, given=given),
    }
    if input_format not in filters:
        raise UnknownFormat(f"lists of addresses of the format {input_format} cannot be filtered, only {', '.join(filters)}")
    return filters[input_format]


def _files(directory: Path, input_format: str) -> Iterable[Path]:
    files = sorted(directory.glob(f"*.{input_format}"))
    if not files:
        raise EmptySource(f"{directory} holds no list of addresses: no file in it ends in .{input_format}")
    return files
