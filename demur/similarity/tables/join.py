"""Many hashes are looked up: each table is read once from end to end, by two threads, while the disk reads ahead of them."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from demur.similarity.tables.layout import I64, TABLES, U64, flips_of
from demur.similarity.tables.meeting import WORD_BITS, Asked, Matches, arranged, met
from demur.similarity.tables.opened import Hits, Tables, all_between
from demur.similarity.tables.paging import will_need
from demur.similarity.tables.search import U32, permuted

Window = tuple[int, int]
WINDOW_ENTRIES = 1 << 20
THREADS, AHEAD = 2, 8
BLOCK = 1 << 19
"""Matches that are looked up together, and hits that are yielded together."""


class Join:
    """All rows within `radius` of many hashes. Memory depends on neither rows nor hits; each query takes some 40 bytes."""

    def __init__(self, tables: Tables, phashes: U64, radius: int, progress: Callable[[int, int], None] | None) -> None:
        self._tables, self._progress = tables, progress or (lambda done, total: None)
        self._probe = tables.layout.probe(radius)
        self._distinct, inverse, copies = np.unique(permuted(phashes, tables.layout.forward), return_inverse=True, return_counts=True)
        self._originals = np.argsort(inverse, kind="stable").astype(np.int32)
        self._ends = np.concatenate([[0], np.cumsum(copies)])

    def hits(self) -> Iterator[Hits]:
        """Blocks of hits, each pair of a query and a row in exactly one of them; ordered by query, then row, within a block."""
        held: list[Matches] = []
        will_need(self._tables.starts, np.array([[0, len(self._tables.starts)]]))
        with ThreadPoolExecutor(THREADS) as pool:
            for table in range(TABLES):
                if self._probe.limits[table] < 0:
                    continue
                for matches in self._matches(self._asked(table), pool):
                    held.append(matches)
                    if sum(len(part.hashes) for part in held) >= BLOCK:
                        yield from self._looked_up(held)
                        held = []
        yield from self._looked_up(held)

    def _matches(self, asked: Asked, pool: ThreadPoolExecutor) -> Iterator[Matches]:
        """What one table matches, window after window. A window that matches too much is returned in parts."""
        waiting = deque(self._windows(asked.table))
        running: deque[Future[tuple[Matches, Window]]] = deque()
        while waiting or running:
            while waiting and len(running) < AHEAD:
                window = waiting.popleft()
                self._ask(asked.table, window)
                running.append(pool.submit(self._met, asked, window))
            matches, (word, last) = running.popleft().result()
            if word < last:
                running.appendleft(pool.submit(self._met, asked, (word, last)))
            self._report(asked.table, word)
            yield matches

    def _asked(self, table: int) -> Asked:
        width, limit = self._tables.layout.widths[table], int(self._probe.limits[table])
        return arranged(table, self._probe, self._distinct, flips_of(width - WORD_BITS, limit))

    def _windows(self, table: int) -> list[Window]:
        """Ranges of words of buckets with about WINDOW_ENTRIES entries each."""
        starts = self._word_starts(table)
        cuts = np.searchsorted(starts, np.arange(0, len(self._tables.rows), WINDOW_ENTRIES), side="right") - 1
        return list(pairwise(np.unique(np.append(cuts, len(starts) - 1)).tolist()))

    def _word_starts(self, table: int) -> U32:
        """The first entry of every word of buckets, and the end."""
        first, last = self._tables.layout.firsts[table : table + 2]
        return self._tables.starts[first : last : 1 << WORD_BITS]

    def _ask(self, table: int, window: Window) -> None:
        will_need(self._tables.hashes[table], self._word_starts(table)[list(window)].astype(np.int64).reshape(1, 2))

    def _met(self, asked: Asked, window: Window) -> tuple[Matches, Window]:
        first, last = window
        matches, word = met(self._tables.hashes[asked.table], self._tables.starts, self._probe, asked, first, last)
        return matches, (word, last)

    def _report(self, table: int, word: int) -> None:
        rows = len(self._tables.rows)
        probed = int(np.count_nonzero(self._probe.limits >= 0))
        self._progress(table * rows + int(self._word_starts(table)[word]), probed * rows)

    def _looked_up(self, held: list[Matches]) -> Iterator[Hits]:
        """The rows of the matches' hashes, for each of the queries that are alike."""
        if not held:
            return
        queries, hashes, distances = (np.concatenate(parts) for parts in zip(*held, strict=True))
        order = np.argsort(hashes)
        queries, distances = queries[order], distances[order]
        spans = self._tables.spans(self._probe, hashes[order])
        copies = self._ends[queries + 1] - self._ends[queries]
        for part, pieces in _blocks(spans, copies):
            yield self._expanded(queries[part], distances[part], pieces)

    def _expanded(self, queries: np.ndarray, distances: np.ndarray, spans: I64) -> Hits:
        counts = spans[:, 1] - spans[:, 0]
        rows = self._tables.rows[all_between(spans)]
        alike = np.stack([self._ends[queries], self._ends[queries + 1]], axis=1).repeat(counts, axis=0)
        copies = alike[:, 1] - alike[:, 0]
        numbers = self._originals[all_between(alike)]
        rows, distances = rows.repeat(copies), distances.repeat(counts).repeat(copies)
        order = np.lexsort((rows, numbers))
        return Hits(numbers[order], rows[order], distances[order])


def _blocks(spans: I64, copies: I64) -> Iterator[tuple[I64, I64]]:
    """Spans (n, 2), cut where they are long, by the block: which span each piece is of, and the pieces."""
    most = np.maximum(1, BLOCK // copies)
    cuts = -(-(spans[:, 1] - spans[:, 0]) // most)
    which = np.repeat(np.arange(len(spans)), cuts)
    nth = all_between(np.stack([np.zeros_like(cuts), cuts], axis=1))
    starts = spans[which, 0] + nth * most[which]
    pieces = np.stack([starts, np.minimum(starts + most[which], spans[which, 1])], axis=1)
    block = np.cumsum((pieces[:, 1] - pieces[:, 0]) * copies[which]) // BLOCK
    for part in np.split(np.arange(len(which)), np.flatnonzero(np.diff(block)) + 1):
        yield which[part], pieces[part]
