"""Tells what kind of manifest a path is."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from demur.manifests.errors import EmptySource, TruncatedSource, UnknownFormat
from demur.manifests.pictures import is_directory, is_regular, suffix
from demur.manifests.sources.folder import find_pictures, find_tables, folder_source, table_source
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
_PARTITION = re.compile(r"[^=]+=.*")


def open_source(path: Path, *, skip_empty: bool = False) -> Source:
    """Recognises a manifest by its name, or a directory by what lies in it.

    A directory is read as what comes first of: Parquet shards, tars, pictures, CSV, TSV or JSONL shards. Shards may lie in folders named
    like `part=0`.

    Args:
        skip_empty: leave shards of 0 bytes out of a directory, where a writer that died left them.

    Raises:
        UnknownFormat: there is nothing at `path`, or it is a file of no known kind.
        EmptySource: a directory with nothing of use in it.
        MissingColumn, TruncatedSource: already seen from the outside.
    """
    path = path.resolve()
    if path.is_dir():
        return _open_directory(path, skip_empty)
    if not path.is_file():
        raise UnknownFormat(f"There is no file or directory {path}.")
    reader = _READERS.get(suffix(path.name))
    if reader is None:
        raise UnknownFormat(f"{path} is no manifest: it is none of Parquet, CSV, TSV, JSONL, a WebDataset tar, or a folder.")
    refuse_empty([path])
    return reader(path.parent, [path])


def shards_of(root: Path) -> list[Path]:
    """The files of a directory that are not hidden, and those of its Hive folders (`part=0`), in a fixed order. Links lead nowhere new.

    Raises TruncatedSource: what is named like a shard is a pipe, a device, or a link that leads nowhere.
    """
    entries = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    for entry in entries:
        if suffix(entry.name) in _READERS and not is_regular(entry) and not is_directory(entry):
            raise TruncatedSource(f"{entry} is no plain file: it is a pipe, a device, or a link that leads nowhere.")
    files = [entry for entry in entries if is_regular(entry)]
    folders = [entry for entry in entries if is_directory(entry) and not entry.is_symlink() and _PARTITION.match(entry.name)]
    return files + [file for folder in folders for file in shards_of(folder)]


def refuse_unread(root: Path, shards: Sequence[Path]) -> None:
    """Raises UnknownFormat: a directory has shards of the same kinds in folders that are not read.

    What begins with a dot or an underscore, as writers name what is not their data, and links, is left out by everybody.
    """
    kinds = tuple(kind for group in _SHARDS if any(suffix(shard.name) in group for shard in shards) for kind in group)
    for at, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if _PARTITION.match(name) or name[0] not in "._")
        unread = min((name for name in names if suffix(name) in kinds and not name.startswith(".")), default=None)
        if unread is not None and not all(_PARTITION.match(part) for part in Path(at).relative_to(root).parts):
            raise UnknownFormat(
                f"{Path(at, unread)} lies in a folder that is not read: name folders of shards like part=0, or each folder by itself; what "
                "begins with an underscore is left out."
            )


def tables_of(root: Path, shards: Sequence[Path]) -> list[Path]:
    """The tables by which a directory with these shards is imported as a folder of pictures; none where it is not."""
    if any(suffix(shard.name) in kinds for kinds in _SHARDS[:2] for shard in shards) or next(find_pictures(root), None) is None:
        return []
    return find_tables(root)


def refuse_empty(shards: Sequence[Path]) -> None:
    """Raises TruncatedSource, which names the first shard of 0 bytes."""
    for shard in shards:
        if shard.stat().st_size == 0:
            raise TruncatedSource(f"{shard} is empty (0 bytes); --skip-empty leaves such shards of a directory out.")


def _open_directory(root: Path, skip_empty: bool) -> Source:
    files = shards_of(root)
    for kinds in _SHARDS[:2]:
        if shards := _shards(files, kinds, skip_empty):
            refuse_unread(root, shards)
            return _READERS[kinds[0]](root, shards)
    if next(find_pictures(root), None) is not None:
        tables = find_tables(root)
        return table_source(root, tables) if tables else folder_source(root)
    for kinds in _SHARDS[2:]:
        if shards := _shards(files, kinds, skip_empty):
            refuse_unread(root, shards)
            return _READERS[kinds[0]](root, shards)
    raise EmptySource(f"{root} holds neither pictures nor a manifest (Parquet, CSV, TSV, JSONL or WebDataset tars).")


def _shards(files: list[Path], kinds: tuple[str, ...], skip_empty: bool) -> list[Path]:
    shards = [file for file in files if suffix(file.name) in kinds]
    if skip_empty:
        return [shard for shard in shards if shard.stat().st_size]
    refuse_empty(shards)
    return shards
