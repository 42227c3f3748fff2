"""Where the demonstration's pictures come from: Debian's tuxpaint-stamps-default, or a folder of one's own.

The stamps are GPL-2 and are fetched by name when first needed, without root; they are no part of this repository.
"""

import csv
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from demur.files import atomic_directory

PACKAGE = "tuxpaint-stamps-default"
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif"})
_STAMPS = PurePosixPath("usr/share/tuxpaint/stamps")
_COPYRIGHT = PurePosixPath("usr/share/doc") / PACKAGE / "copyright"


class NoPictures(Exception):
    """There is nothing to show; the message says what to do."""


@dataclass(frozen=True)
class Picture:
    """A file with its caption. ``name`` is its path inside the source, and does not depend on where that lies."""

    path: Path
    name: str
    caption: str


def stamps(cache: Path) -> list[Picture]:
    """Debian's stamps that have an English caption, symbols left out; fetched into ``cache`` the first time. Raises NoPictures."""
    root = cache / PACKAGE
    if not root.exists():
        _fetch(root)
    files = (path for path in sorted(root.rglob("*.png")) if path.relative_to(root).parts[0] != "symbols")
    return [Picture(path, str(path.relative_to(root)), caption) for path in files if (caption := _caption_beside(path))]


def own(folder: Path) -> list[Picture]:
    """The pictures of a folder, with captions from a CSV (columns path or file, caption or text), .txt files, or file names."""
    if not folder.is_dir():
        raise NoPictures(f"There is no folder {folder}.")
    captions = _captions_of_tables(folder)
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PICTURE_SUFFIXES]
    if not files:
        raise NoPictures(f"There are no pictures in {folder}.")
    return [
        Picture(path, (name := str(path.relative_to(folder))), captions.get(name) or _caption_beside(path) or _caption_of_name(path))
        for path in files
    ]


def _fetch(root: Path) -> None:
    """Downloads the package and keeps its pictures, captions and licence in ``root``. Raises NoPictures."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NoPictures("The demo pictures come from Debian, and there is no apt-get here. Show your own: make demo PHOTOS=folder")
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as scratch, atomic_directory(root) as target:
        unpack(_download(Path(scratch)), target)


def _download(scratch: Path) -> Path:
    """The package's file. Where the package lists are missing or stale, they are read into ``scratch`` first."""
    lists, cache = scratch / "lists", scratch / "cache"
    for directory in (lists, cache):
        (directory / "partial").mkdir(parents=True)
    apart = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}"]
    if not _apt(["download", PACKAGE], scratch):
        _apt([*apart, "update"], scratch)
        _apt([*apart, "download", PACKAGE], scratch)
    files = list(scratch.glob(f"{PACKAGE}_*.deb"))
    if not files:
        raise NoPictures(f"Debian's package {PACKAGE} could not be fetched. Show your own pictures: make demo PHOTOS=folder")
    return files[0]


def _apt(arguments: Sequence[str], directory: Path) -> bool:
    # Root's apt would hand the download to the user _apt, who may not write here.
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=1", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, check=False).returncode == 0


def unpack(package: Path, target: Path) -> None:
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as unpacker,
        tarfile.open(fileobj=unpacker.stdout, mode="r|") as archive,
    ):
        for member in archive:
            if member.isfile() and (place := _place(PurePosixPath(member.name))) and (content := archive.extractfile(member)):
                (target / place).parent.mkdir(parents=True, exist_ok=True)
                (target / place).write_bytes(content.read())
    if unpacker.returncode != 0:
        raise NoPictures(f"Debian's package {PACKAGE} could not be unpacked.")


def _place(name: PurePosixPath) -> PurePosixPath | None:
    """Where a file of the package is kept, if it is: mirrored and flipped twins and sounds are not."""
    if name == _COPYRIGHT:
        return PurePosixPath("copyright")
    twin = name.stem.endswith(("_mirror", "_flip"))
    return name.relative_to(_STAMPS) if name.is_relative_to(_STAMPS) and name.suffix in (".png", ".txt") and not twin else None


def _caption_beside(path: Path) -> str:
    """First line of the .txt file beside a picture."""
    text = path.with_suffix(".txt")
    lines = text.read_text(errors="replace").splitlines() if text.exists() else []
    return lines[0].strip() if lines else ""


def _caption_of_name(path: Path) -> str:
    return path.stem.replace("_", " ").replace("-", " ").strip()


def _captions_of_tables(folder: Path) -> dict[str, str]:
    return {name: caption for table in sorted(folder.glob("*.csv")) for name, caption in _captions_of_table(table)}


def _captions_of_table(table: Path) -> Iterator[tuple[str, str]]:
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            name, caption = row.get("path") or row.get("file"), row.get("caption") or row.get("text")
            if name and caption:
                yield name, caption
