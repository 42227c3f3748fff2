"""How fast many opt-outs are joined with all rows of the index, against the rate at which the disk reads the same files from end to end.

    python -m bench.propagate --rows 10000000 --opt-outs 10000 --json

Opt-outs are of rows that lie evenly through the corpus of bench.lookup, so that popular clusters are among them; they are joined within
the radius at which near duplicates are proposed. Both start cold: the kernel forgets the pages (posix_fadvise). The disk reads past
the page cache (O_DIRECT), in large pieces, one by one. `ratio_to_disk` is the index's bytes over the seconds of the join, over that
rate.
"""

import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from bench._index import Planted, anonymous_gb, bytes_read, drop_from_memory, index_of, remove
from demur.similarity.rules import PHASH_RADIUS
from demur.similarity.segment import Segment
from demur.similarity.tables.header import HASHES

SMALL_ROWS, SMALL_OPT_OUTS = 200_000, 1_000
PIECE = 1 << 23
MOST_READ = 4 << 30


def disk_rate(path: Path) -> float:
    """GB (10⁹ bytes) a second of one sequential reader that the page cache does not help. Raises OSError where that cannot be."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
    with mmap.mmap(-1, PIECE) as aligned:
        started, total = time.perf_counter(), 0
        while total < MOST_READ and (size := os.preadv(descriptor, [aligned], total)) == PIECE:
            total += size
        elapsed = time.perf_counter() - started
    os.close(descriptor)
    return (total + size % PIECE) / elapsed / 1e9


def join(rows: int, opt_outs: int, path: Path) -> dict[str, float]:
    """The figures of a fresh process."""
    queries = Planted(rows).sample(opt_outs)
    segment = Segment.open(path)
    sum(map(len, segment.join(queries[:0], PHASH_RADIUS)))
    segment.close()
    drop_from_memory(path)
    segment = Segment.open(path)
    before, started = bytes_read(), time.perf_counter()
    hits, anon_gb = 0, 0.0
    for block in segment.join(queries, PHASH_RADIUS):
        hits, anon_gb = hits + len(block), max(anon_gb, anonymous_gb())
    elapsed = time.perf_counter() - started
    return {
        "join_s": round(elapsed, 2),
        "read_gb": round((bytes_read() - before) / 1e9, 3),
        "gb_s": segment.bytes_on_disk / elapsed / 1e9,
        "hits": hits,
        "anon_gb": round(anon_gb, 3),
    }


def measure(rows: int, opt_outs: int, scratch: Path, keep: bool, say: Callable[[str], None]) -> dict[str, float]:
    """All figures of this benchmark, measured now."""
    path, _ = index_of(rows, scratch, say)
    drop_from_memory(path)
    disk = disk_rate(path / HASHES)
    say(f"the disk reads {disk:.2f} GB/s; joining {opt_outs:,} opt-outs with {rows:,} rows in a fresh process")
    arguments = ["--rows", str(rows), "--opt-outs", str(opt_outs), "--scratch", str(path)]
    child = [sys.executable, "-m", "bench.propagate", "--step", "join", *arguments]
    figures = json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout)
    if not keep:
        remove(path)
    ratio = round(figures["gb_s"] / disk, 3)
    return {
        "rows": rows,
        "opt_outs": opt_outs,
        **figures,
        "gb_s": round(figures["gb_s"], 3),
        "disk_gb_s": round(disk, 3),
        "ratio_to_disk": ratio,
    }


@click.command(help=__doc__)
@click.option("--rows", default=10_000_000, show_default=True)
@click.option("--opt-outs", default=10_000, show_default=True)
@click.option(
    "--small", is_flag=True, help=f"{SMALL_OPT_OUTS:,} opt-outs, {SMALL_ROWS:,} rows: shows that it works, and no figure worth quoting."
)
@click.option("--scratch", type=click.Path(path_type=Path), help="Has the index of bench.lookup --keep, else gets one. Default: temporary.")
@click.option("--keep", is_flag=True, help="Leave the index in --scratch for the next benchmark.")
@click.option("--json", "as_json", is_flag=True, help="Only the last line goes to standard output, progress to standard error.")
@click.option("--step", type=click.Choice(["join"]), hidden=True)
def main(rows: int, opt_outs: int, small: bool, scratch: Path | None, keep: bool, as_json: bool, step: str | None) -> None:
    if step and scratch:
        click.echo(json.dumps(join(rows, opt_outs, scratch)))
        return
    if small:
        rows, opt_outs = SMALL_ROWS, SMALL_OPT_OUTS
    with tempfile.TemporaryDirectory() as temporary:
        place = scratch or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        figures = measure(rows, opt_outs, place, keep, lambda line: click.echo(line, err=as_json))
    click.echo(json.dumps(figures))


if __name__ == "__main__":
    main()
