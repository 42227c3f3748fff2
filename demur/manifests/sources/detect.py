"""Tells what kind of manifest a path is."""

from pathlib import Path

from demur.manifests.errors import EmptySource, UnknownFormat
from demur.manifests.pictures import suffix
from demur.manifests.sources.folder import TABLE_NAMES, find_pictures, folder_source, table_source
from demur.manifests.sources.parquet import parquet_source
from demur.manifests.sources.source import Source
from demur.manifests.sources.text import text_source
from demur.manifests.sources.webdataset import webdataset_source

_READERS = {
    ".parquet": parquet_source,
    ".tar": webdataset_source,
    ".csv": text_source,
    ".tsv": text_source,
    ".jsonl": text_source,
    ".ndjson": text_source,
}
_SHARDS: list[tuple[str, ...]] = [(".parquet",), (".tar",), (".csv",), (".tsv",), (".jsonl", ".ndjson")]


def open_source(path: Path) -> Source:
    """Recognises a manifest by its name, or a directory by what lies in it.

    A directory is read as what comes first of: Parquet shards, tars, pictures, CSV, TSV or JSONL shards.

    Raises:
        UnknownFormat: there is nothing at `path`, or it is a file of no known kind.
        EmptySource: a directory with nothing of use in it.
        MissingColumn, TruncatedSource: already seen from the outside.
    """
    path = path.resolve()
    if path.is_dir():
        return _open_directory(path)
    if not path.is_file():
        raise UnknownFormat(f"There is no file or directory {path}.")
    reader = _READERS.get(suffix(path.name))
    if reader is None:
        raise UnknownFormat(f"{path} is no manifest: it is none of Parquet, CSV, TSV, JSONL, a WebDataset tar, or a folder.")
    return reader(path.parent, [path])


def _open_directory(root: Path) -> Source:
    files = sorted(file for file in root.iterdir() if file.is_file() and not file.name.startswith("."))
    for kinds in _SHARDS[:2]:
        if shards := _shards(files, kinds):
            return _READERS[kinds[0]](root, shards)
    if next(find_pictures(root), None) is not None:
        tables = [root / name for name in TABLE_NAMES if (root / name).is_file()]
        return table_source(root, tables[0]) if tables else folder_source(root)
    for kinds in _SHARDS[2:]:
        if shards := _shards(files, kinds):
            return _READERS[kinds[0]](root, shards)
    raise EmptySource(f"{root} holds neither pictures nor a manifest (Parquet, CSV, JSONL or WebDataset tars).")


def _shards(files: list[Path], kinds: tuple[str, ...]) -> list[Path]:
    return [file for file in files if suffix(file.name) in kinds]
