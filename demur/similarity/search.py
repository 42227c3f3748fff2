"""Finds the rows of catalogues that show the same picture as a query, by the rules of `rules`."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import numpy.typing as npt

from demur.similarity.index import Found, Searchable, joined
from demur.similarity.query import Query, Variant
from demur.similarity.rules import EDIT_RADIUS, MIN_QUALITY, PDQ_PROPOSED, PHASH_RADIUS, MatchKind, classify, search_radius
from demur.similarity.tables.layout import U64

FEW = 2_000
"""Hashes up to which each is looked up by itself. More of them touch so much of each table that reading it from end to end is faster."""
HITS_AT_ONCE = 1 << 24
"""Hits that are collected before their PDQ is read, 25 bytes each: the more, the nearer pdq.bin is to being read once from end to end."""
CONFIRMED_AT_ONCE = 1 << 18
KEPT_AT_ONCE = 1 << 22
"""Near duplicates that are collected before the best of them are picked: 30 bytes each."""

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]


class Rows(Protocol):
    """What is read of a source's rows: a catalogue, or anything that knows as much of its rows."""

    def pdq(self, positions: I64) -> U8:
        """The PDQ hashes (n, 32) of these rows."""

    def find_sha256(self, hexes: Sequence[str]) -> list[I64]:
        """For each SHA-256 (hex), the positions of all rows whose picture has it."""


@dataclass(frozen=True)
class Match:
    """A row that shows the query's picture. Distances, edit and orientation (`ORIENTATIONS[dihedral]`) are those of the variant that came
    closest; zero and none for an exact match."""

    source: str
    position: int
    kind: MatchKind
    phash_distance: int
    pdq_distance: int
    edit: str
    dihedral: int


def find_matches(
    index: Searchable,
    catalogues: Mapping[str, Rows],
    queries: Sequence[Query],
    sources: Collection[str] | None = None,
    *,
    most: int | None = None,
) -> list[list[Match]]:
    """For each query all rows that match, each once, closest first: exact ones by digest, near duplicates by its variants.

    Near duplicates are found within `rules.search_radius`, also the confirmed ones, since that is what the index answers. An index holds
    only rows of quality enough, so that PDQ (pdq.bin) is all that is read of a row to tell its kind.

    Args:
        catalogues: by their sources' names; the index holds all of them, and others, which are left out.
        sources: names of those to search, instead of all `catalogues`.
        most: near duplicates of one query, the closest, that are returned at most.

    Raises UnknownSource for a catalogue that the index does not hold, OSError.
    """
    searched = {name: catalogues[name] for name in (catalogues if sources is None else sources)}
    asked = [(radius, _Asked.of(queries, radius)) for radius in (PHASH_RADIUS, EDIT_RADIUS)]
    near = _nearest((block for radius, variants in asked for block in _confirmed(index, searched, variants, radius)), most)
    best: list[dict[tuple[str, int], Match]] = [{} for _ in queries]
    for number, match in _matches(near, index.sources, queries):
        best[number][match.source, match.position] = match
    for number, match in _exact(searched, queries):
        best[number][match.source, match.position] = match
    order = {name: place for place, name in enumerate(searched)}
    return [sorted(found.values(), key=lambda match: (*_closeness(match), order[match.source], match.position)) for found in best]


_KINDS = list(MatchKind)


def _closeness(match: Match) -> tuple[int, int, int]:
    return _KINDS.index(match.kind), match.pdq_distance, match.phash_distance


def _exact(catalogues: Mapping[str, Rows], queries: Sequence[Query]) -> Iterator[tuple[int, Match]]:
    for name, catalogue in catalogues.items():
        for number, positions in enumerate(catalogue.find_sha256([query.sha256 for query in queries])):
            for position in positions.tolist():
                yield number, Match(name, position, MatchKind.EXACT, 0, 0, "", 0)


@dataclass(frozen=True)
class _Asked:
    """Parallel arrays of those variants of all queries that are searched within one radius: `variants[i]` of query number `queries[i]`."""

    queries: I32
    variants: I32
    phashes: U64
    pdqs: npt.NDArray[np.uint64]  # (n, 4)

    @classmethod
    def of(cls, queries: Sequence[Query], radius: int) -> "_Asked":
        """Variants of too little texture are left out."""
        asked: list[tuple[int, int, Variant]] = [
            (number, place, variant)
            for number, query in enumerate(queries)
            for place, variant in enumerate(query.variants)
            if variant.quality >= MIN_QUALITY and search_radius(variant.edit, variant.dihedral) == radius
        ]
        return cls(
            np.array([number for number, _, _ in asked], dtype=np.int32),
            np.array([place for _, place, _ in asked], dtype=np.int32),
            np.array([variant.phash for _, _, variant in asked], dtype=np.uint64),
            np.frombuffer(b"".join(variant.pdq for _, _, variant in asked), dtype=np.uint64).reshape(-1, 4),
        )


@dataclass(frozen=True)
class _Near:
    """Parallel arrays of near duplicates: of which query, in which source, at which position, how near, and by which of its variants."""

    queries: I32
    sources: I32
    positions: I64
    pdq_distances: I64
    phash_distances: U8
    variants: I32

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, places: I64) -> "_Near":
        return _Near(*(getattr(self, field.name)[places] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence["_Near"]) -> "_Near":
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def _confirmed(index: Searchable, catalogues: Mapping[str, Rows], asked: _Asked, radius: int) -> Iterator[_Near]:
    """What the index finds and PDQ does not rule out, in blocks."""
    if not len(asked.phashes) or not catalogues:
        return
    if len(asked.phashes) > FEW:
        blocks = _collected(index.query_batch(asked.phashes, radius, catalogues))
    else:
        blocks = iter([index.query(asked.phashes, radius, catalogues)])
    for found in blocks:
        order = np.argsort(found.positions)  # so that pdq.bin is read from its beginning to its end
        sources = found.sources[order]
        for source in np.flatnonzero(np.bincount(sources)).tolist():
            places = order[sources == source]
            for start in range(0, len(places), CONFIRMED_AT_ONCE):
                yield _close(catalogues[index.sources[source]], asked, found, places[start : start + CONFIRMED_AT_ONCE])


def _collected(blocks: Iterable[Found]) -> Iterator[Found]:
    """The same hits in fewer blocks."""
    parts: list[Found] = []
    for block in blocks:
        parts.append(block)
        if sum(map(len, parts)) >= HITS_AT_ONCE:
            yield joined(parts)
            parts = []
    yield joined(parts)


def _close(catalogue: Rows, asked: _Asked, found: Found, places: I64) -> _Near:
    """Of hits in one catalogue, those whose PDQ is near enough."""
    pdqs = catalogue.pdq(found.positions[places]).view(np.uint64)
    distances = np.bitwise_count(pdqs ^ asked.pdqs[found.queries[places]]).sum(axis=1, dtype=np.int64)
    kept = distances <= PDQ_PROPOSED
    places = places[kept]
    hits = found.queries[places]
    return _Near(
        asked.queries[hits], found.sources[places], found.positions[places], distances[kept], found.distances[places], asked.variants[hits]
    )


def _nearest(blocks: Iterable[_Near], most: int | None) -> _Near:
    """The closest way in which each row was found, and of each query the `most` closest rows."""
    parts, waiting = [_NOTHING], 0
    for block in blocks:
        parts.append(block)
        waiting += len(block)
        if waiting > KEPT_AT_ONCE:
            parts, waiting = [_picked(_Near.joined(parts), most)], 0
    return _picked(_Near.joined(parts), most)


_NOTHING = _Near(
    np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.int32)
)


def _picked(near: _Near, most: int | None) -> _Near:
    near = near.take(np.lexsort((near.variants, near.phash_distances, near.pdq_distances, near.positions, near.sources, near.queries)))
    same = np.zeros(len(near), dtype=np.bool_)
    same[1:] = (np.diff(near.queries) == 0) & (np.diff(near.sources) == 0) & (np.diff(near.positions) == 0)
    near = near.take(np.flatnonzero(~same))
    if most is None:
        return near
    near = near.take(np.lexsort((near.positions, near.sources, near.phash_distances, near.pdq_distances, near.queries)))
    rank = np.arange(len(near)) - np.searchsorted(near.queries, near.queries)
    return near.take(np.flatnonzero(rank < most))


def _matches(near: _Near, sources: Sequence[str], queries: Sequence[Query]) -> Iterator[tuple[int, Match]]:
    columns = [getattr(near, field.name).tolist() for field in fields(near)]
    for number, source, position, pdq_distance, phash_distance, place in zip(*columns, strict=True):
        variant = queries[number].variants[place]
        kind = classify(
            same_bytes=False,
            phash_distance=phash_distance,
            pdq_distance=pdq_distance,
            quality=variant.quality,
            other_quality=MIN_QUALITY,  # the index holds no row of less
        )
        if kind is not None:
            yield number, Match(sources[source], position, kind, phash_distance, pdq_distance, variant.edit, variant.dihedral)
