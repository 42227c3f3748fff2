"""How fast a manifest loses the rows that a list excludes, against PyArrow that copies it whole, and against DuckDB's ANTI JOIN.

    python -m bench.filter --rows 10000000 --excluded 1000000 --json

`--manifest laion` has the ten columns of LAION's metadata, among them SAMPLE_ID, a whole number. `--manifest platform` has ten of ours: uid
of 32 hex digits, owner, url, caption, width, height, sha256, phash, pdq, pdq_quality. PyArrow writes them with its defaults: Snappy, which
is slow to read where it meets hex digits, and row groups of a million rows. The list has `--excluded` uids, half of them of this manifest,
chosen at random, and half of others; entries of other kinds would take longer, phash most of all.
Every step is a fresh process. On one core, as by default, its processor time counts; on more (`--cores`; PyArrow and DuckDB are told their
number), its time by the clock. The steps take turns, and of all rounds the fastest counts. All files lie in memory, as the disk would be
the same for all. Both peers compress as we do; DuckDB gets the bare uids as Parquet, and verifies nothing.

`codec_s` is a limit: what Snappy alone takes to unpack the texts of all rows, and to pack those of the kept ones.

`filter_s` includes making the matcher, which takes `matcher_s`; `open_s` is verifying the list before that, and `peak_gb` the most resident
memory of the process that did all three. `deletion_vector_mrows_s` is of reading the uids and making a roaring bitmap of the positions of
excluded rows, with a matcher that is there already, as a list is compared with many shards (`…_with_matcher_…`: made first).
`catalogue_…` is the same of uids as a catalogue holds them, uncompressed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench._manifests import copy, hex_texts, laion_ids, make_laion_manifest, make_manifest
from demur.exclusions import ExclusionList, build_version, place_version, point_head, written_version
from demur.exclusions.delta import Delta
from demur.exclusions.entries import KeyKind
from demur.exclusions.parquet import KINDS
from demur.exclusions.table import EntryTable
from demur.filtering import FilterReport, excluded_positions, filter_manifest
from demur.manifests.writing import ROW_GROUP_ROWS
from demur.signing import SigningKey, VerifyKey

COLUMNS = ("uid", "owner", "url", "caption", "width", "height", "sha256", "phash", "pdq", "pdq_quality")
ROUNDS, SMALL_ROUNDS = 5, 2
SMALL_ROWS, SMALL_EXCLUDED = 200_000, 10_000
KEY, LIST, UIDS, MANIFEST, CATALOGUE = "list.key", "list", "uids.parquet", "manifest.parquet", "catalogue.parquet"
FILTERED = "filtered.parquet"
PAGE_ROWS = 1 << 14
ROW_BYTES = 700
"""What a row of the manifest takes with all its copies, and as an entry."""

Figures = dict[str, float]
Step = Callable[[Path, int], Figures]
"""Works in a folder that holds the files above, on so many cores, and says what it measured."""


@dataclass(frozen=True)
class Kind:
    """A kind of manifest."""

    uid: str  # the name of the column
    make: Callable[[Path, int], None]  # writes so many rows
    others: Callable[[int, int], pa.Array]  # so many uids that none of so many rows has


MANIFESTS = {
    "laion": Kind("SAMPLE_ID", make_laion_manifest, lambda count, rows: laion_ids(rows, rows + count)),
    "platform": Kind("uid", partial(make_manifest, columns=COLUMNS), lambda count, _: hex_texts(np.random.default_rng(2), count, 16)),
}


def make(scratch: Path, manifest: Kind, rows: int, excluded: int) -> None:
    """The manifest, its uids as a catalogue holds them, and the list: signed, and as a Parquet file for the peers."""
    manifest.make(scratch / MANIFEST, rows)
    uids = pq.ParquetFile(scratch / MANIFEST).read([manifest.uid])[manifest.uid]
    catalogue = pa.table({"uid": uids.cast(pa.string())})
    pq.write_table(catalogue, scratch / CATALOGUE, compression="none", use_dictionary=False, row_group_size=ROW_GROUP_ROWS)
    named = pa.array(np.random.default_rng(1).choice(rows, min(rows, excluded // 2), replace=False))
    listed = pa.chunked_array([*uids.take(named).chunks, manifest.others(excluded - len(named), rows)])
    pq.write_table(pa.table({manifest.uid: listed}), scratch / UIDS)
    keys = listed.cast(pa.large_string())
    keys = keys.take(pc.sort_indices(keys)).combine_chunks()
    _publish(scratch, EntryTable(np.full(excluded, KINDS.index(KeyKind.UID), dtype=np.int8), keys, np.empty((0, 32), dtype=np.uint8)))


def _publish(scratch: Path, entries: EntryTable) -> None:
    key, now = SigningKey.generate("bench.example"), datetime.now(UTC)
    nothing = EntryTable.of([])
    version = build_version(Delta.adding(entries), None, nothing, list_id="bench", published_at=now, expires_at=now + timedelta(days=7))
    (scratch / LIST).mkdir()
    (scratch / KEY).write_text(str(key.verifier))
    with written_version(scratch / LIST, version, key) as written:
        place_version(scratch / LIST, written)
    point_head(scratch / LIST, version.head.version)


def timed(work: Callable[[], Any], cores: int) -> tuple[float, Any]:
    clock = time.process_time if cores == 1 else time.perf_counter
    started = clock()
    result = work()
    return clock() - started, result


def copying(scratch: Path, cores: int) -> Figures:
    pa.set_cpu_count(cores)
    seconds, _ = timed(lambda: copy(scratch / MANIFEST, scratch / "copy.parquet"), cores)
    return {"copy_s": seconds}


def packing(scratch: Path, cores: int) -> Figures:
    """What the codec alone takes for texts that no dictionary holds: unpacking those of the manifest, and packing those that are kept."""
    group = pq.read_metadata(scratch / FILTERED).row_group(0)
    chunks = (group.column(place) for place in range(group.num_columns))
    columns = [chunk.path_in_schema for chunk in chunks if chunk.physical_type == "BYTE_ARRAY" and not chunk.has_dictionary_page]
    codec, seconds = pa.Codec("snappy"), 0.0
    for text in _texts(scratch / MANIFEST, columns):
        seconds += timed(partial(codec.decompress, codec.compress(text), text.size), cores)[0]
    for text in _texts(scratch / FILTERED, columns):
        seconds += timed(partial(codec.compress, text), cores)[0]
    return {"codec_s": seconds / cores}


def _texts(path: Path, columns: list[str]) -> Iterator[pa.Buffer]:
    """About a page of text at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(PAGE_ROWS, columns=columns):
            for column in batch.columns:
                yield pa.concat_arrays([column, column[:0]]).buffers()[2]  # without what may stand before and behind it


def joining(scratch: Path, cores: int) -> Figures:
    import duckdb

    connection = duckdb.connect(config={"threads": cores})
    query = f"SELECT * FROM '{scratch / MANIFEST}' ANTI JOIN '{scratch / UIDS}' USING ({_uids(scratch).name})"  # noqa: S608 — our own paths
    target = scratch / "joined.parquet"
    seconds, _ = timed(lambda: connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION snappy)"), cores)
    return {"duckdb_s": seconds, "kept": pq.read_metadata(target).num_rows}


def filtering(scratch: Path, cores: int) -> Figures:
    pa.set_cpu_count(cores)
    opening, exclusions = timed(lambda: _opened(scratch), cores)
    seconds, report = timed(lambda: filter_manifest(scratch / MANIFEST, scratch / FILTERED, exclusions), cores)
    return {"open_s": opening, "filter_s": seconds, "kept": report.kept}


def listing(scratch: Path, cores: int) -> Figures:
    """Positions of excluded rows."""
    pa.set_cpu_count(cores)
    exclusions = _opened(scratch)
    matcher, _ = timed(lambda: exclusions.judge(pa.table({"uid": pa.nulls(0, _uids(scratch).type)})), cores)
    figures = {"matcher_s": matcher}
    for name, file in (("positions_s", MANIFEST), ("catalogue_s", CATALOGUE)):
        report = FilterReport()
        figures[name], positions = timed(partial(excluded_positions, scratch / file, exclusions, report), cores)
        figures["kept"] = report.rows - len(positions)
    return figures


def _opened(scratch: Path) -> ExclusionList:
    return ExclusionList.open(scratch / LIST, key=VerifyKey.load(scratch / KEY))


def _uids(scratch: Path) -> pa.Field:
    """The manifest's column of uids."""
    return pq.read_schema(scratch / UIDS).field(0)


STEPS: dict[str, Step] = {"copy": copying, "filter": filtering, "codec": packing, "duckdb": joining, "positions": listing}


def in_fresh_process(step: str, scratch: Path, *options: str) -> Figures:
    """What a step measured, and its process's peak resident memory. Raises subprocess.CalledProcessError."""
    command = [sys.executable, "-m", "bench.filter", "--step", step, "--scratch", str(scratch), *options]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return {**json.loads(printed), f"{step}_gb": usage.ru_maxrss * 1024 / 1e9}


def measure(
    manifest: str, rows: int, excluded: int, cores: int, rounds: int, scratch: Path, say: Callable[[str], None]
) -> dict[str, str | float]:
    """All figures of this benchmark, measured now. Raises RuntimeError if the steps do not keep the same number of rows."""
    with tempfile.TemporaryDirectory() as tiny:  # whatever is compiled when it is first used is kept by this for the processes that count
        in_fresh_process("make", Path(tiny), "--manifest", manifest, "--rows", "1000", "--excluded", "100")
        for step in STEPS:
            in_fresh_process(step, Path(tiny), "--cores", str(cores))
    say(f"making a manifest of {rows:,} rows and a list of {excluded:,} entries")  # in a child: the others begin with our peak of memory
    in_fresh_process("make", scratch, "--manifest", manifest, "--rows", str(rows), "--excluded", str(excluded))
    taken: list[Figures] = []
    for _ in range(rounds):
        for step in STEPS:
            figures = in_fresh_process(step, scratch, "--cores", str(cores))
            say(f"{step}: " + ", ".join(f"{name} {figure:,.3f}" for name, figure in figures.items()))
            taken.append(figures)
    kept = {figures["kept"] for figures in taken if "kept" in figures}
    if len(kept) > 1:
        raise RuntimeError(f"the steps keep different numbers of rows: {kept}")
    best = {name: min(figures[name] for figures in taken if name in figures) for name in set().union(*taken)}
    return {
        "manifest": manifest,
        "rows": rows,
        "excluded": excluded,
        "dropped": rows - int(kept.pop()),
        "cores": cores,
        "duckdb": version("duckdb"),
        **{name: round(best[name], 3) for name in ("open_s", "matcher_s", "filter_s", "copy_s", "codec_s", "duckdb_s")},
        "rewrite_ratio_to_copy": round(best["copy_s"] / best["filter_s"], 3),
        "ratio_to_duckdb": round(best["duckdb_s"] / best["filter_s"], 3),
        "deletion_vector_mrows_s": round(rows / best["positions_s"] / 1e6, 2),
        "deletion_vector_with_matcher_mrows_s": round(rows / (best["positions_s"] + best["matcher_s"]) / 1e6, 2),
        "catalogue_deletion_vector_mrows_s": round(rows / best["catalogue_s"] / 1e6, 2),
        "peak_gb": round(max(figures["filter_gb"] for figures in taken if "filter_gb" in figures), 3),
        "copy_peak_gb": round(best["copy_gb"], 3),
        "duckdb_peak_gb": round(best["duckdb_gb"], 3),
    }


@click.command(help=__doc__)
@click.option("--manifest", type=click.Choice([*MANIFESTS]), default="laion", show_default=True)
@click.option("--rows", default=10_000_000, show_default=True)
@click.option("--excluded", default=1_000_000, show_default=True, help="Entries of the list.")
@click.option("--cores", default=1, show_default=True, help="How many each step may use.")
@click.option("--small", is_flag=True, help=f"{SMALL_ROWS:,} rows: shows that it works, and no figure worth quoting.")
@click.option("--scratch", type=click.Path(path_type=Path), help="Where the files go, 700 bytes a row. Default: memory, if it has room.")
@click.option("--json", "as_json", is_flag=True, help="Only the last line goes to standard output, progress to standard error.")
@click.option("--step", type=click.Choice(["make", *STEPS]), hidden=True)
def main(manifest: str, rows: int, excluded: int, cores: int, small: bool, scratch: Path | None, as_json: bool, step: str | None) -> None:
    if step == "make" and scratch:
        make(scratch, MANIFESTS[manifest], rows, excluded)
        click.echo("{}")
        return
    if step and scratch:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
        click.echo(json.dumps(STEPS[step](scratch, cores)))
        return
    rows, excluded, rounds = (SMALL_ROWS, SMALL_EXCLUDED, SMALL_ROUNDS) if small else (rows, excluded, ROUNDS)
    with tempfile.TemporaryDirectory(dir=scratch or _memory(rows * ROW_BYTES)) as folder:
        figures = measure(manifest, rows, excluded, cores, rounds, Path(folder), lambda line: click.echo(line, err=as_json))
    click.echo(json.dumps(figures))


def _memory(size: int) -> Path | None:
    shared = Path("/dev/shm")  # noqa: S108 — a fresh directory is made there
    return shared if shared.is_dir() and shutil.disk_usage(shared).free > size else None


if __name__ == "__main__":
    main()
