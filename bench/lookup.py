"""How fast one photo is looked up among many rows, and whether all its copies are found; against FAISS, which scans.

    python -m bench.lookup --rows 10000000 --json

Hashes are realistic (bench/_hashes.py), with near duplicates planted at every distance. Recall is against a full scan of the same hashes
by numpy, at every radius. Before each cold lookup the kernel forgets all pages of the index (posix_fadvise), the index is opened anew, and
its directories alone (0.03 to 0.5 bytes a row), which any server keeps in memory, are read back; `cold_mb` is what the lookup then reads
from the disk. `first_ms_cold` is of opening and looking up with not even these. `photo_…` is of all that is asked for one photo: as it
stands within 10 bits; in seven other orientations, and twice under every edit, within 6. FAISS is measured where its copy of the hashes
fits into 1 GB. One thread on either side. Cold figures are null where a cold lookup reads nothing from the disk: of files in memory, say,
or where the kernel keeps pages that it is told to drop.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
import faiss
import numpy as np

from bench._index import U64, Planted, anonymous_gb, bytes_read, drop_from_memory, index_of
from demur.similarity.edits import EDITS
from demur.similarity.orientations import ORIENTATIONS
from demur.similarity.rules import EDIT_RADIUS, PHASH_RADIUS
from demur.similarity.segment import MAX_RADIUS, Segment
from demur.similarity.tables.header import STARTS

SMALL_ROWS = 200_000
RADIUS = 8
WARM, COLD = 400, 100
PHOTOS, VARIANTS = 20, len(ORIENTATIONS) + 2 * len(EDITS)
FAISS_ROWS = 100_000_000
FAISS_LOOKUPS = 30
COLD_FIGURES = ("p50_ms_cold", "p99_ms_cold", "cold_mb", "first_ms_cold", "photo_p50_ms_cold")


def build(rows: int, path: Path) -> None:
    corpus = Planted(rows)
    shown = 0

    def say(done: int, total: int) -> None:
        nonlocal shown
        if done * 10 // total > shown:
            shown = done * 10 // total
            click.echo(f"  {shown * 10} %", err=True)

    Segment.build(path, corpus.batches, rows, progress=say)


def lookups(rows: int, path: Path) -> dict[str, float | None]:
    """All figures of a fresh process that looks photos up."""
    corpus = Planted(rows)
    queries = corpus.sample(WARM)
    opening = milliseconds(lambda _: Segment.open(path).close(), range(20))
    recall = recalled(path, corpus)
    warm, wide = (warm_lookups(path, queries, radius) for radius in (RADIUS, PHASH_RADIUS))
    photos_warm = warm_photos(path, corpus)
    cold = cold_figures(path, corpus, queries)
    anon_gb = round(anonymous_gb(), 3)
    peer = at(faiss_lookups(corpus, queries[:FAISS_LOOKUPS], path), 50) if rows <= FAISS_ROWS else None
    return {
        "recall": recall,
        "open_ms": at(opening, 50),
        "p50_ms_warm": at(warm, 50),
        "p99_ms_warm": at(warm, 99),
        "r10_p50_ms_warm": at(wide, 50),
        "photo_p50_ms_warm": at(photos_warm, 50),
        **cold,
        "anon_gb": anon_gb,
        "faiss_p50_ms": peer,
        "ratio_to_faiss_flat": peer and round(peer / at(warm, 50), 1),
    }


def cold_figures(path: Path, corpus: Planted, queries: U64) -> dict[str, float | None]:
    """None where a lookup that was to be cold read nothing from the disk."""
    cold, read = cold_lookups(path, queries[:COLD])
    if not all(read):
        return dict.fromkeys(COLD_FIGURES)
    first = [first_lookup(path, query) for query in queries[COLD : COLD + COLD // 4]]
    figures = at(cold, 50), at(cold, 99), round(float(np.median(read)) / 1e6, 2), at(first, 50), at(cold_photos(path, corpus), 50)
    return dict(zip(COLD_FIGURES, figures, strict=True))


def milliseconds(work: Callable[[int], object], rounds: range) -> list[float]:
    times = []
    for number in rounds:
        started = time.perf_counter()
        work(number)
        times.append((time.perf_counter() - started) * 1000)
    return times


def at(times: list[float], percent: int) -> float:
    return round(float(np.percentile(times, percent)), 3)


def recalled(path: Path, corpus: Planted) -> float:
    """The share of what a scan finds that the index finds too, over all radii. Raises RuntimeError if the index finds anything else."""
    scanned = scan(corpus)
    segment = Segment.open(path)
    found = expected = 0
    for radius in range(MAX_RADIUS + 1):
        hits = segment.query(corpus.queries, radius)
        ours = set(zip(hits.queries.tolist(), hits.rows.tolist(), hits.distances.tolist(), strict=True))
        theirs = {pair for pair in scanned if pair[2] <= radius}
        if ours - theirs:
            raise RuntimeError(f"within {radius} bits the index finds {len(ours - theirs)} rows that a scan does not")
        found, expected = found + len(ours), expected + len(theirs)
    segment.close()
    return found / expected


def scan(corpus: Planted) -> set[tuple[int, int, int]]:
    """Query, row and distance of everything within MAX_RADIUS bits of a planted picture."""
    found: set[tuple[int, int, int]] = set()
    for hashes, rows in corpus.batches():
        for number, query in enumerate(corpus.queries):
            distances = np.bitwise_count(hashes ^ query)
            near = np.flatnonzero(distances <= MAX_RADIUS)
            found.update(zip([number] * len(near), rows[near].tolist(), distances[near].tolist(), strict=True))
    return found


def warm_lookups(path: Path, queries: U64, radius: int) -> list[float]:
    """Milliseconds of each lookup, once all of them have been made before."""
    segment = Segment.open(path)
    for _ in range(2):
        times = milliseconds(lambda number: segment.query(queries[number : number + 1], radius), range(len(queries)))
    segment.close()
    return times


def cold_lookups(path: Path, queries: U64) -> tuple[list[float], list[int]]:
    """Milliseconds of each lookup, and the bytes that it had to read."""
    times, read = [], []
    for query in queries:
        drop_from_memory(path)
        segment = Segment.open(path)
        (path / STARTS).read_bytes()
        before, started = bytes_read(), time.perf_counter()
        segment.query(query.reshape(1), RADIUS)
        times.append((time.perf_counter() - started) * 1000)
        read.append(bytes_read() - before)
        segment.close()
    return times, read


def warm_photos(path: Path, corpus: Planted) -> list[float]:
    """Milliseconds of all lookups of each of some photos, once all of them have been made before."""
    with closing(Segment.open(path)) as segment:
        for _ in range(2):
            times = milliseconds(partial(photo_lookup, segment, photo_variants(corpus)), range(PHOTOS))
    return times


def cold_photos(path: Path, corpus: Planted) -> list[float]:
    times = []
    for photo in range(PHOTOS):
        drop_from_memory(path)
        with closing(Segment.open(path)) as segment:
            times += milliseconds(partial(photo_lookup, segment, photo_variants(corpus)), range(photo, photo + 1))
    return times


def photo_variants(corpus: Planted) -> U64:
    """(PHOTOS, VARIANTS)"""
    return corpus.sample(PHOTOS * VARIANTS).reshape(PHOTOS, VARIANTS)


def photo_lookup(segment: Segment, variants: U64, photo: int) -> None:
    segment.query(variants[photo, :1], PHASH_RADIUS)
    segment.query(variants[photo, 1:], EDIT_RADIUS)


def first_lookup(path: Path, query: np.uint64) -> float:
    """Milliseconds of opening and one lookup with nothing of the index in memory."""
    drop_from_memory(path)
    started = time.perf_counter()
    segment = Segment.open(path)
    segment.query(query.reshape(1), RADIUS)
    elapsed = (time.perf_counter() - started) * 1000
    segment.close()
    return elapsed


def faiss_lookups(corpus: Planted, queries: U64, path: Path) -> list[float]:
    """Milliseconds of each. Raises RuntimeError if it does not find as many rows as the index."""
    faiss.omp_set_num_threads(1)
    flat = faiss.IndexBinaryFlat(64)
    for hashes, _ in corpus.batches():
        flat.add(hashes.view(np.uint8).reshape(-1, 8))
    octets = queries.view(np.uint8).reshape(-1, 8)
    limits, _, _ = flat.range_search(octets, RADIUS + 1)
    if limits[-1] != len(Segment.open(path).query(queries, RADIUS)):
        raise RuntimeError("FAISS finds other rows than the index")
    return milliseconds(lambda number: flat.range_search(octets[number : number + 1], RADIUS + 1), range(len(queries)))


def measure(rows: int, scratch: Path, keep: bool, say: Callable[[str], None]) -> dict[str, float | None]:
    """All figures of this benchmark, measured now, except for the build of an index that was kept."""
    with index_of(rows, scratch, keep, say) as (path, built):
        say("looking photos up in a fresh process")
        child = [sys.executable, "-m", "bench.lookup", "--step", "lookups", "--rows", str(rows), "--scratch", str(path)]
        figures = json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout)
        size = sum(file.stat().st_size for file in path.iterdir())
    return {"rows": rows, **asdict(built), "bytes_per_row": round(size / rows, 3), **figures}


@click.command(help=__doc__)
@click.option("--rows", default=10_000_000, show_default=True)
@click.option("--small", is_flag=True, help=f"{SMALL_ROWS:,} rows: shows that it works, and no figure worth quoting.")
@click.option("--scratch", type=click.Path(path_type=Path), help="Where the index is built. Default: a temporary directory.")
@click.option("--keep", is_flag=True, help="Leave the index in --scratch for the next benchmark.")
@click.option("--json", "as_json", is_flag=True, help="Only the last line goes to standard output, progress to standard error.")
@click.option("--step", type=click.Choice(["build", "lookups"]), hidden=True)
def main(rows: int, small: bool, scratch: Path | None, keep: bool, as_json: bool, step: str | None) -> None:
    if step and scratch:
        if step == "build":
            build(rows, scratch)
        else:
            click.echo(json.dumps(lookups(rows, scratch)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        place = scratch or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        figures = measure(SMALL_ROWS if small else rows, place, keep, lambda line: click.echo(line, err=as_json))
    click.echo(json.dumps(figures))


if __name__ == "__main__":
    main()
