"""Which rows of a Parquet file an exclusion list excludes, by position: a deletion vector, by which a loader skips rows without a join."""

import os
from array import array
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyroaring import BitMap64

from demur.exclusions.matching import Judgement
from demur.exclusions.reader import ExclusionList
from demur.filtering.keys import NO_NAMES, ComparedColumns, Names
from demur.filtering.parquet import batch_rows, compared_columns, judged, judged_none, opened
from demur.filtering.report import FilterReport, Progress

_SPAN_ROWS = 1 << 19  # of which a thread judges the row groups in one go

T = TypeVar("T")
Span = tuple[int, list[int]]
"""Some row groups in a row, and the position of their first row."""
Piece = tuple[Judgement, NDArray[np.uint64]]
"""What is said of some rows, and the positions of those that are excluded."""


def excluded_positions(
    source: Path, exclusions: ExclusionList, report: FilterReport, progress: Progress = lambda done, total: None, given: Names = NO_NAMES
) -> BitMap64:
    """The positions of the rows of a Parquet file that may not be used, counted from 0 through all its row groups.

    Reads nothing but the columns that the list's entries are compared with, on all cores. `report` counts as it does in filtering: the
    positions say nothing of the kinds in its `not_applied`. Rows that cannot be compared are among the positions; whether these are too
    many, `report.refuse_unreadable` says. `given`: see key_columns. Raises UnreadableManifest, NoKeyColumn, BadKeyColumn, OSError.
    """
    positions = BitMap64()
    with opened(source) as file:
        metadata = file.metadata
        columns = compared_columns(file.schema_arrow, source, exclusions, given).without_spares(lambda name: _is_full(metadata, name))
        report.count(judged_none(columns, exclusions, file.schema_arrow))  # makes the matcher, too, before threads ask for it

    def judge(span: Span) -> list[Piece]:
        with opened(source, metadata) as file:
            return list(_judged(file, span, columns, exclusions))

    with closing(_in_order(judge, _spans(metadata))) as spans:
        for pieces in spans:
            for judgement, excluded in pieces:
                report.count(judgement)
                positions |= BitMap64(array("Q", excluded.tobytes()))  # of all that it takes, an array is by far the quickest
            progress(report.rows, metadata.num_rows)
    return positions


def _is_full(metadata: pq.FileMetaData, name: str) -> bool:
    """Whether the file says of a column that each of its rows has a value: then no other column need stand in for it."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        chunk = next((chunk for chunk in map(group.column, range(group.num_columns)) if chunk.path_in_schema == name), None)
        told = chunk.statistics if chunk is not None and chunk.physical_type not in ("FLOAT", "DOUBLE") else None  # NaN is no null
        if told is None or not (told.has_null_count and told.has_min_max) or told.null_count or not str(told.min).strip():
            return False
    return True


def _judged(file: pq.ParquetFile, span: Span, columns: ComparedColumns, exclusions: ExclusionList) -> Iterator[Piece]:
    start, groups = span
    for batch in file.iter_batches(batch_rows(file.metadata), row_groups=groups, columns=columns.names, use_threads=False):
        judgement = judged(batch, columns, exclusions)
        yield judgement, (np.flatnonzero(~judgement.kept) + start).astype(np.uint64)
        start += len(batch)


def _spans(metadata: pq.FileMetaData) -> Iterator[Span]:
    start = rows = 0
    groups: list[int] = []
    for group in range(metadata.num_row_groups):
        groups.append(group)
        rows += metadata.row_group(group).num_rows
        if rows >= _SPAN_ROWS or group == metadata.num_row_groups - 1:
            yield start, groups
            start, rows, groups = start + rows, 0, []


def _in_order(work: Callable[[Span], T], spans: Iterator[Span]) -> Generator[T]:
    """What `work` makes of each span, in their order, on all cores. Little more than is being worked on is waiting to be taken."""
    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as pool:
        coming = deque(pool.submit(work, span) for span in islice(spans, cores + 1))
        while coming:
            yield coming.popleft().result()
            coming.extend(pool.submit(work, span) for span in islice(spans, 1))
