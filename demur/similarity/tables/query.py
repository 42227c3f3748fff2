"""A few hashes are looked up: about 700 buckets each, wherever they lie."""

import numpy as np

from demur.similarity.tables.layout import I64, TABLES, U64, Probe
from demur.similarity.tables.opened import Hits, Tables, all_between
from demur.similarity.tables.paging import ask_if_cold, is_cold, will_need
from demur.similarity.tables.search import buckets, directory_runs, matching, permuted


def query(tables: Tables, phashes: U64, radius: int) -> Hits:
    """See Segment.query."""
    probe = tables.layout.probe(radius)
    asked = permuted(phashes, tables.layout.forward)
    return Hits.joined([_one(tables, probe, number, phash) for number, phash in enumerate(asked)])


def _one(tables: Tables, probe: Probe, number: int, asked: np.uint64) -> Hits:
    entries = directory_runs(probe, asked)
    ask_if_cold(tables.starts, entries)
    runs = buckets(tables.starts, entries)
    _ask_if_cold(tables, probe, runs)
    hashes, distances = matching(tables.hashes, probe, runs, asked)
    spans = tables.spans(probe, hashes)
    rows = tables.rows[all_between(spans)]
    order = np.argsort(rows)
    return Hits(np.full(len(rows), number, dtype=np.int32), rows[order], np.repeat(distances, spans[:, 1] - spans[:, 0])[order])


def _ask_if_cold(tables: Tables, probe: Probe, runs: I64) -> None:
    """All three tables are asked for before any is waited for."""
    parts = [(tables.hashes[table], runs[probe.flip_ends[table] : probe.flip_ends[table + 1]]) for table in range(TABLES)]
    if any(is_cold(entries, part) for entries, part in parts):
        for entries, part in parts:
            will_need(entries, part)
