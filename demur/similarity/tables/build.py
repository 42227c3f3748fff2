"""Builds a segment."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from demur.similarity.tables.errors import IndexTooLarge
from demur.similarity.tables.header import HASHES, ROWS, STARTS, Header, file_digest
from demur.similarity.tables.layout import TABLES, U64, Layout
from demur.similarity.tables.search import U32, permuted


def build(
    path: Path,
    batches: Callable[[], Iterator[tuple[U64, U32]]],
    rows: int,
    *,
    progress: Callable[[int, int], None] | None = None,
    memory: int = 1 << 30,
) -> None:
    """See Segment.build."""
    if rows >= 1 << 32:
        raise IndexTooLarge(f"{rows:,} rows are more than one segment can hold, {(1 << 32) - 1:,}")
    path.mkdir(parents=True, exist_ok=True)
    layout = Layout.fit(rows)
    parts = list(batches())
    hashes = permuted(np.concatenate([np.empty(0, np.uint64), *(part[0] for part in parts)]), layout.forward)
    numbers = np.concatenate([np.empty(0, np.uint32), *(part[1] for part in parts)])
    starts = []
    with (path / HASHES).open("wb") as file:
        for table in range(TABLES):
            turn = layout.offsets[table]
            rotated = hashes << np.uint64(turn) | (hashes >> np.uint64(64 - turn) if turn else np.uint64(0))
            order = np.lexsort((numbers, rotated))
            rotated[order].tofile(file)
            buckets = np.arange((1 << layout.widths[table]) + 1, dtype=np.uint64)
            chunks = rotated[order] >> np.uint64(64 - layout.widths[table])
            starts.append(np.searchsorted(chunks, buckets).astype("<u4"))
            if table == 0:
                numbers[order].tofile(path / ROWS)
    np.concatenate(starts).tofile(path / STARTS)
    Header(rows, layout, {name: file_digest(path / name) for name in (HASHES, ROWS, STARTS)}).write(path)
