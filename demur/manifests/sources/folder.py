"""A folder of pictures, with captions beside them, in a table, or in the file names."""

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

import pyarrow as pa

from demur.manifests.pictures import PICTURE_SUFFIXES, is_inside
from demur.manifests.rejections import Reason, Rejections
from demur.manifests.sources.source import Source
from demur.manifests.sources.text import text_source

TABLE_NAMES = tuple(f"{stem}.{kind}" for stem in ("photos", "metadata", "captions") for kind in ("csv", "jsonl"))
"""A folder's own table. Where there is one, it is the manifest: pictures that it does not list stay out, and are counted."""
FOLDER_ROWS = 1024
MAX_CAPTION_BYTES = 1 << 16


def find_pictures(root: Path) -> Iterator[str]:
    """Paths below `root` of all picture files, in a fixed order, hidden files and folders left out."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and PurePosixPath(name.lower()).suffix in PICTURE_SUFFIXES:
                yield Path(folder, name).relative_to(root).as_posix()


def folder_source(root: Path) -> Source:
    """A folder without a table: uid is the picture's path, owner the top-level folder it lies in."""

    def batches(rejected: Rejections) -> Iterator[pa.RecordBatch]:
        paths = find_pictures(root)
        while chunk := list(islice(paths, FOLDER_ROWS)):
            owners = [_top_folder(path) for path in chunk]
            places = pa.array([0] * len(chunk), pa.int64())
            yield pa.RecordBatch.from_pydict({"uid": chunk, "path": chunk, "owner": owners, "shard": chunk, "row": places})

    return Source("folder", root, sum(1 for _ in find_pictures(root)), batches)


def table_source(root: Path, table: Path) -> Source:
    """A folder with a table of its own."""
    rows = text_source(root, [table])

    def batches(rejected: Rejections) -> Iterator[pa.RecordBatch]:
        listed: set[str] = set()
        for batch in rows.batches(rejected):
            if "path" in batch.schema.names:
                listed.update(os.path.normpath(str(path)) for path in batch["path"].cast(pa.string()).drop_null().to_pylist())
            yield batch
        for path in find_pictures(root):
            if path not in listed:
                rejected.add(Reason.UNLISTED_PICTURE, [f"{path} is not in {table.name}"])

    return Source("folder", root, None, batches)


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
