"""Small similarity indexes, and the plain truth about them: a dictionary and a scan."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from demur.similarity.index import Found, Searchable

U64 = npt.NDArray[np.uint64]
Rows = Mapping[int, int]  # position → phash
Hit = tuple[int, str, int, int]  # number of the query, source, position, distance


def batches(rows: Rows, size: int = 7) -> Callable[[], Iterator[tuple[U64, npt.NDArray[np.uint32]]]]:
    """The rows as an index takes them, a few at a time."""
    phashes, positions = np.array(list(rows.values()), dtype=np.uint64), np.array(list(rows), dtype=np.uint32)
    return lambda: ((phashes[start : start + size], positions[start : start + size]) for start in range(0, len(rows), size))


def hits(index: Searchable, found: Found) -> list[Hit]:
    sources = [index.sources[number] for number in found.sources]
    return list(zip(found.queries.tolist(), sources, found.positions.tolist(), found.distances.tolist(), strict=True))


def scanned(sources: Mapping[str, Rows], queries: list[int], radius: int) -> list[Hit]:
    """What an index of these sources must find."""
    return sorted(
        (number, name, position, (query ^ phash).bit_count())
        for number, query in enumerate(queries)
        for name, rows in sources.items()
        for position, phash in rows.items()
        if (query ^ phash).bit_count() <= radius
    )


def found(index: Searchable, queries: list[int], radius: int) -> list[Hit]:
    """What it finds, looked up one by one; after making sure that it finds the same in a batch."""
    asked = np.array(queries, dtype=np.uint64)
    one_by_one = hits(index, index.query(asked, radius))
    assert sorted(hit for part in index.query_batch(asked, radius) for hit in hits(index, part)) == sorted(one_by_one)
    return sorted(one_by_one)


def contents(index: Searchable) -> set[tuple[str, int, int]]:
    """(source, position, phash) of every live row of the random rows that tests use: found by their own hashes."""
    return {(source, position, number) for number, source, position, _ in hits(index, index.query(np.arange(64, dtype=np.uint64), 0))}
