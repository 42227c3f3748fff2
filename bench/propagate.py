"""How fast many opt-outs are joined with all rows of the index, against the rate at which the disk reads the same files from end to end.

    python -m bench.propagate --rows 10000000 --opt-outs 10000 --json

Opt-outs are of rows that lie evenly through the corpus of bench.lookup, so that popular clusters are among them. All starts cold: the
kernel forgets the pages (posix_fadvise). The disk reads past the page cache (O_DIRECT), in large pieces, one by one. `ratio_to_disk` is the
index's bytes over the seconds of the join within 8 bits, over that rate; `r10_…` is of 10 bits, at which near duplicates are proposed.
"""

import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click

from bench._index import U64, Planted, anonymous_gb, bytes_read, drop_from_memory, index_of
from demur.similarity.rules import PHASH_RADIUS
from demur.similarity.segment import Segment
from demur.similarity.tables.header import HASHES

SMALL_ROWS, SMALL_OPT_OUTS = 200_000, 1_000
RADIUS = 8
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
    with closing(Segment.open(path)) as segment:
        sum(map(len, segment.join(queries[:1], PHASH_RADIUS)))
    figures = joined(path, queries, RADIUS)
    wide = joined(path, queries, PHASH_RADIUS)
    return {**figures, **{f"r{PHASH_RADIUS}_{name}": wide[name] for name in ("join_s", "gb_s", "hits")}}


def joined(path: Path, queries: U64, radius: int) -> dict[str, float]:
    drop_from_memory(path)
    hits, anon_gb = 0, 0.0
    with closing(Segment.open(path)) as segment:
        before, started = bytes_read(), time.perf_counter()
        for block in segment.join(queries, radius):
            hits, anon_gb = hits + len(block), max(anon_gb, anonymous_gb())
        elapsed = time.perf_counter() - started
        size = segment.bytes_on_disk
    return {
        "join_s": round(elapsed, 2),
        "read_gb": round((bytes_read() - before) / 1e9, 3),
        "gb_s": round(size / elapsed / 1e9, 3),
        "hits": hits,
        "anon_gb": round(anon_gb, 3),
    }


def measure(rows: int, opt_outs: int, scratch: Path, keep: bool, say: Callable[[str], None]) -> dict[str, float]:
    """All figures of this benchmark, measured now."""
    with index_of(rows, scratch, keep, say) as (path, _):
        drop_from_memory(path)
        disk = disk_rate(path / HASHES)
        say(f"the disk reads {disk:.2f} GB/s; joining {opt_outs:,} opt-outs with {rows:,} rows in a fresh process")
        arguments = ["--rows", str(rows), "--opt-outs", str(opt_outs), "--scratch", str(path)]
        child = [sys.executable, "-m", "bench.propagate", "--step", "join", *arguments]
        figures = json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout)
    ratios = {name.replace("gb_s", "ratio_to_disk"): round(rate / disk, 3) for name, rate in figures.items() if name.endswith("gb_s")}
    return {"rows": rows, "opt_outs": opt_outs, **figures, "disk_gb_s": round(disk, 3), **ratios}


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
