"""A folder of pictures, with captions beside them, in a table, or in the file names."""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

import pyarrow as pa

from demur.exclusions.columns import plain_path
from demur.manifests.columns import convert
from demur.manifests.pictures import (
    PICTURE_SUFFIXES,
    SNIFFED_BYTES,
    TABLE_SUFFIXES,
    begins_as_picture,
    find_file,
    is_inside,
    is_regular,
    suffix,
)
from demur.manifests.rejections import Reason, Rejections
from demur.manifests.sources.source import Source
from demur.manifests.sources.text import text_source
from demur.text_rules import text_fault

TABLE_NAMES = tuple(f"{stem}.{kind}" for stem in ("photos", "metadata", "captions") for kind in ("csv", "jsonl"))
"""A folder's own table. Where there is one, it is the manifest: pictures that it does not list stay out, and are counted."""
_OF_SPLITS = TABLE_NAMES[2:4]
FOLDER_ROWS = 1024
MAX_CAPTION_BYTES = 1 << 16
_NO_PICTURES = TABLE_SUFFIXES | {".txt", ".json", ".caption", ".tar", ".zip", ".md", ".xml", ".html", ".py", ".npy"}


def find_files(root: Path) -> Iterator[str]:
    """Paths below `root` of all files that are, or are named like, pictures, in a fixed order; hidden files and folders left out."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and _is_picture(Path(folder, name)):
                yield Path(folder, name).relative_to(root).as_posix()


def find_pictures(root: Path) -> Iterator[str]:
    """Those of `find_files` that can be read: plain files whose path is text."""
    return (path for path in find_files(root) if not _fault(root, path))


def _is_picture(path: Path) -> bool:
    kind = suffix(path.name)
    if kind in PICTURE_SUFFIXES or kind in _NO_PICTURES or not is_regular(path):
        return kind in PICTURE_SUFFIXES
    try:
        with path.open("rb") as file:
            return begins_as_picture(file.read(SNIFFED_BYTES))
    except OSError:
        return False


def _fault(root: Path, path: str) -> str:
    if fault := text_fault(path, "path"):
        return f"has a name that {fault}"
    return "" if is_regular(root / path) else "is no plain file"


def folder_source(root: Path) -> Source:
    """A folder without a table: uid is the picture's path, owner the top-level folder it lies in."""

    def batches(rejected: Rejections) -> Iterator[pa.RecordBatch]:
        paths = _readable(root, rejected)
        while chunk := list(islice(paths, FOLDER_ROWS)):
            owners = [_top_folder(path) for path in chunk]
            places = pa.array([0] * len(chunk), pa.int64())
            yield pa.RecordBatch.from_pydict({"uid": chunk, "path": chunk, "owner": owners, "shard": chunk, "row": places})

    return Source("folder", root, sum(1 for _ in find_pictures(root)), batches)


def _readable(root: Path, rejected: Rejections) -> Iterator[str]:
    for path in find_files(root):
        if fault := _fault(root, path):
            rejected.add(Reason.MISSING_PICTURE, [f"{path!r:.160} {fault}"])
        else:
            yield path


def is_part_of_folder(table: Path) -> bool:
    """Whether a table may be one of several of a folder of pictures, in which its paths begin above it."""
    return table.name in _OF_SPLITS and next(find_pictures(table.parent), None) is not None


def find_tables(root: Path) -> list[Path]:
    """The table of a folder; where it has none of its own, those of its folders, as Hugging Face's imagefolder has one in each split."""
    own = [root / name for name in TABLE_NAMES if (root / name).is_file()]
    return own[:1] or sorted(path for name in _OF_SPLITS for path in root.rglob(name) if path.is_file())


def table_source(root: Path, tables: Sequence[Path]) -> Source:
    """A folder with tables of its own: their paths begin where each of them lies."""

    def batches(rejected: Rejections) -> Iterator[pa.RecordBatch]:
        listed: set[str] = set()
        for table in tables:
            within = table.parent.relative_to(root).as_posix()
            for batch in text_source(root, [table]).batches(rejected):
                if "path" in batch.schema.names:
                    batch = _placed(batch, within)
                    listed.update(find_file(root, path) or path for path in batch["path"].drop_null().to_pylist())
                yield batch
        for path in find_pictures(root):
            if path not in listed:
                rejected.add(Reason.UNLISTED_PICTURE, [f"{path} is not in {', '.join(table.name for table in tables[:1])}"])

    return Source("folder", root, None, batches)


def placed(path: str, within: str) -> str:
    """A path that begins in the folder `within`, "." for the root, from the root of the whole folder, in its one form."""
    return plain_path(path if within == "." else f"{within}/{path}")


def _placed(batch: pa.RecordBatch, within: str) -> pa.RecordBatch:
    """With paths from the root of the whole folder, as texts; what is no text is no path."""
    paths, _ = convert("path", batch["path"])
    normal = [None if path is None else placed(path, within) for path in paths.to_pylist()]
    return batch.set_column(batch.schema.get_field_index("path"), "path", pa.array(normal, pa.string()))


def _top_folder(path: str) -> str:
    return path.split("/", 1)[0] if "/" in path else ""


def caption_beside(root: Path, path: str) -> str:
    """The first line of the .txt beside a picture, or else the file's name as words."""
    text = _text_at(root, str(PurePosixPath(path).with_suffix(".txt")))
    return text.splitlines()[0].strip() if text else re.sub(r"[\W_]+", " ", PurePosixPath(path).stem).strip()


def _text_at(root: Path, path: str) -> str:
    """What a regular file within the folder says; a link that leads out of it says nothing."""
    try:
        if not is_inside(root, path) or not (root / path).is_file():
            return ""
        with (root / path).open("rb") as file:
            return file.read(MAX_CAPTION_BYTES).decode(errors="replace").strip()
    except (OSError, ValueError, RuntimeError):
        return ""
