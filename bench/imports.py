"""How fast a manifest of many rows is imported, against PyArrow reading and rewriting the same file; and a page over the result.

    python -m bench.imports --rows 10000000 --json

Both are measured as whole fresh processes in the same run. The source has its fingerprints in the rows, so no picture is decoded.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from bench._manifests import MEMBER, MEMBER_PHOTOS, copy, make_manifest
from bench._portal import signed_in
from demur.manifests import Catalogue, import_manifest

PAGE_PHOTOS = 48
SMALL_ROWS = 200_000


@dataclass(frozen=True)
class Cost:
    """Of one whole process: wall-clock seconds, and peak resident memory in GB (10⁹ bytes)."""

    seconds: float
    peak_gb: float


def in_fresh_process(step: str, *arguments: str) -> Cost:
    """Runs one of this file's steps by itself. Raises subprocess.CalledProcessError."""
    command = [sys.executable, "-m", "bench.imports", "--step", step, *arguments]
    started = time.monotonic()
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return Cost(time.monotonic() - started, usage.ru_maxrss * 1024 / 1e9)


def my_photos(catalogue: Path, photos: int) -> dict[str, float]:
    """Milliseconds of the portal's page *my photos* for the member: the first one, and the median of many, each another page."""
    pages = max(1, photos // PAGE_PHOTOS)
    with signed_in(catalogue, MEMBER) as browser:

        def visit(number: int) -> None:
            answer = browser.get(f"/photos?page={number % pages + 1}")
            if answer.status_code != 200 or f"{photos:,}".replace(",", "") not in answer.text.replace(",", ""):
                raise RuntimeError(f"the page answered {answer.status}, or not with {photos} photos")

        return {"my_photos_first_ms": p50_ms(visit, 1), "my_photos_page_ms": p50_ms(visit, 50)}


def p50_ms(work: Callable[[int], object], rounds: int) -> float:
    """The median milliseconds of `work(round)`."""
    times = []
    for number in range(rounds):
        started = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - started)
    return round(statistics.median(times) * 1000, 2)


def measure(rows: int, scratch: Path, say: Callable[[str], None]) -> dict[str, float | int]:
    """All figures of this benchmark, measured now."""
    source = scratch / f"manifest-{rows}.parquet"
    if not source.exists():
        say(f"making a manifest of {rows:,} rows in {source}")
        make_manifest(source, rows)
    rewritten, target = scratch / "copy.parquet", scratch / "catalogue"
    for leftover in (rewritten, target):
        _remove(leftover)
    say("PyArrow reads and rewrites it")
    copied = in_fresh_process("copy", str(source), str(rewritten))
    _remove(rewritten)
    say(f"  {copied.seconds:.1f} s, {copied.peak_gb:.2f} GB; now the import")
    imported = in_fresh_process("import", str(source), str(target))
    say(f"  {imported.seconds:.1f} s, {imported.peak_gb:.2f} GB; now the pages")
    started = time.perf_counter()
    catalogue = Catalogue.open(target)
    opened_ms = (time.perf_counter() - started) * 1000
    figures = {
        "rows": catalogue.rows,
        "copy_s": round(copied.seconds, 2),
        "import_s": round(imported.seconds, 2),
        "ratio_to_copy": round(copied.seconds / imported.seconds, 3),
        "peak_gb": round(imported.peak_gb, 3),
        "mrows_s": round(catalogue.rows / imported.seconds / 1e6, 3),
        "open_ms": round(opened_ms, 3),
        **my_photos(target, min(MEMBER_PHOTOS, rows)),
    }
    _remove(target)
    return figures


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@click.command(help=__doc__)
@click.option("--rows", default=10_000_000, show_default=True)
@click.option("--small", is_flag=True, help=f"{SMALL_ROWS:,} rows: shows that it works, and no figure worth quoting.")
@click.option(
    "--scratch", type=click.Path(path_type=Path), help="Keeps the generated manifest here for the next run. Default: a temporary directory."
)
@click.option("--json", "as_json", is_flag=True, help="Only the last line goes to standard output, progress to standard error.")
@click.option("--step", type=click.Choice(["copy", "import"]), hidden=True)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
def main(rows: int, small: bool, scratch: Path | None, as_json: bool, step: str | None, paths: tuple[Path, ...]) -> None:
    if step == "copy":
        copy(*paths)
    elif step == "import":
        import_manifest(*paths, name="benchmark", progress=None)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            place = scratch or Path(temporary)
            place.mkdir(parents=True, exist_ok=True)
            figures = measure(SMALL_ROWS if small else rows, place, lambda line: click.echo(line, err=as_json))
        click.echo(json.dumps(figures))


if __name__ == "__main__":
    main()
