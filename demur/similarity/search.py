"""Finds the rows of catalogues that show the same picture as a query, by the rules of `rules`."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from demur.similarity.index import Found, Searchable, joined
from demur.similarity.query import Query, Variant
from demur.similarity.rules import EDIT_RADIUS, MIN_QUALITY, PDQ_CONFIRMED, PDQ_PROPOSED, PHASH_RADIUS, MatchKind, classify, search_radius
from demur.similarity.tables.layout import U64

FEW = 2_000
"""Hashes up to which each is looked up by itself. More of them touch so much of each table that reading it from end to end is faster."""
TOGETHER = 8
"""Hashes that are looked up by one call, which holds all their hits: where a picture is popular, a million each."""
HITS_AT_ONCE = 1 << 24
"""Hits that are collected before their PDQ is read, 25 bytes each: the more, the nearer pdq.bin is to being read once from end to end."""
CONFIRMED_AT_ONCE = 1 << 18
KEPT_AT_ONCE = 1 << 18
"""Near duplicates that are collected, at least, before the best of them are picked."""

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]


class Rows(Protocol):
    """What is read of a source's rows: a catalogue, or anything that knows as much of its rows."""

    def pdq(self, positions: I64) -> U8:
        """The PDQ hashes (n, 32) of these rows."""

    def find_sha256(self, hexes: Sequence[str], most: int | None = None) -> list[I64]:
        """For each SHA-256 (hex), the positions of all rows whose picture has it, or of the first `most`."""


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
    most_exact: int | None = None,
) -> list[list[Match]]:
    """For each query all rows that match, each once, closest first: exact ones by digest, near duplicates by its variants.

    Near duplicates are found within `rules.search_radius`, also the confirmed ones, since that is what the index answers. An index holds
    only rows of quality enough, so that PDQ (pdq.bin) is all that is read of a row to tell its kind.

    Args:
        catalogues: by their sources' names; the index holds all of them, and others, which are left out.
        sources: names of those to search, instead of all `catalogues`.
        most: near duplicates of one query, the closest, that are returned at most. Where so many are confirmed before all variants are
            searched, the rest may not be, and they are the closest of those found: a popular picture has more copies than can be read.
        most_exact: rows with a query's digest, the first of each catalogue, that are returned at most; all if None.

    Raises UnknownSource for a catalogue that the index does not hold, OSError.
    """
    searched = {name: catalogues[name] for name in (catalogues if sources is None else sources)}
    closest = _Closest(len(queries), most)
    for radius in (PHASH_RADIUS, EDIT_RADIUS):
        _search(index, searched, _Asked.of(queries, radius), radius, closest)
    best: list[dict[tuple[str, int], Match]] = [{} for _ in queries]
    for number, match in _matches(closest.picked(), index.sources, queries):
        best[number][match.source, match.position] = match
    for number, match in _exact(searched, queries, most_exact):
        best[number][match.source, match.position] = match
    order = {name: place for place, name in enumerate(searched)}
    return [sorted(found.values(), key=lambda match: (*_closeness(match), order[match.source], match.position)) for found in best]


_KINDS = list(MatchKind)


def _closeness(match: Match) -> tuple[int, int, int]:
    return _KINDS.index(match.kind), match.pdq_distance, match.phash_distance


def _exact(catalogues: Mapping[str, Rows], queries: Sequence[Query], most: int | None) -> Iterator[tuple[int, Match]]:
    for name, catalogue in catalogues.items():
        for number, positions in enumerate(catalogue.find_sha256([query.sha256 for query in queries], most)):
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

    def alike(self) -> list[list[int]]:
        """The variants of each phash, in the order of the first of them."""
        places: dict[int, list[int]] = {}
        for place, phash in enumerate(self.phashes.tolist()):
            places.setdefault(phash, []).append(place)
        return list(places.values())


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


def _search(index: Searchable, catalogues: Mapping[str, Rows], asked: _Asked, radius: int, closest: "_Closest") -> None:
    """Adds what the index finds and PDQ does not rule out."""
    if not len(asked.phashes) or not catalogues:
        return
    if len(asked.phashes) > FEW:
        blocks = _collected(index.query_batch(asked.phashes, radius, catalogues), asked, closest, HITS_AT_ONCE)
    else:
        blocks = _collected(_one_by_one(index, catalogues, asked, radius, closest), asked, closest, CONFIRMED_AT_ONCE)
    for found in blocks:
        order = np.argsort(found.positions)  # so that pdq.bin is read from its beginning to its end
        sources = found.sources[order]
        for source in np.flatnonzero(np.bincount(sources)).tolist():
            places = order[sources == source]
            for start in range(0, len(places), CONFIRMED_AT_ONCE):
                hits = closest.wanted(asked, found.take(places[start : start + CONFIRMED_AT_ONCE]))
                closest.add(_close(catalogues[index.sources[source]], asked, hits))


def _one_by_one(index: Searchable, names: Collection[str], asked: _Asked, radius: int, closest: "_Closest") -> Iterator[Found]:
    """The hits of a few variants after the other. Those of equal phash are looked up once."""
    alike = asked.alike()
    for start in range(0, len(alike), TOGETHER):
        wanted = [variants for variants in alike[start : start + TOGETHER] if not closest.enough[asked.queries[variants]].all()]
        found = index.query(asked.phashes[[variants[0] for variants in wanted]], radius, names)
        for nth in range(max(map(len, wanted), default=0)):
            numbers = np.array([variants[nth] if nth < len(variants) else -1 for variants in wanted], dtype=np.int32)
            queries = numbers[found.queries]
            yield replace(found, queries=queries).take(np.flatnonzero(queries >= 0))


def _collected(blocks: Iterable[Found], asked: _Asked, closest: "_Closest", at_once: int) -> Iterator[Found]:
    """The hits that are wanted still, in fewer blocks."""
    parts, held = list[Found](), 0
    for block in blocks:
        parts.append(closest.wanted(asked, block))
        held += len(parts[-1])
        if held >= at_once:
            yield joined(parts)
            parts, held = [], 0
    yield joined(parts)


def _close(catalogue: Rows, asked: _Asked, hits: Found) -> _Near:
    """Of hits in one catalogue, those whose PDQ is near enough."""
    pdqs = catalogue.pdq(hits.positions).view(np.uint64)
    distances = np.bitwise_count(pdqs ^ asked.pdqs[hits.queries]).sum(axis=1, dtype=np.int64)
    kept = np.flatnonzero(distances <= PDQ_PROPOSED)
    hits = hits.take(kept)
    return _Near(asked.queries[hits.queries], hits.sources, hits.positions, distances[kept], hits.distances, asked.variants[hits.queries])


class _Closest:
    """Collects near duplicates: the closest way in which each row was found, and of each query the `most` closest rows.

    `enough` says of which queries so many rows are confirmed that no more are wanted.
    """

    def __init__(self, queries: int, most: int | None) -> None:
        self.enough = np.zeros(queries, dtype=np.bool_)
        self._most, self._kept, self._new, self._waiting = most, _NOTHING, list[_Near](), 0

    def wanted(self, asked: _Asked, hits: Found) -> Found:
        """Those of the hits whose queries have not enough."""
        return hits.take(np.flatnonzero(~self.enough[asked.queries[hits.queries]])) if self.enough.any() else hits

    def add(self, block: _Near) -> None:
        self._new.append(block)
        self._waiting += len(block)
        if self._waiting > max(KEPT_AT_ONCE, len(self._kept)):
            self.picked()

    def picked(self) -> _Near:
        """What is kept of all that was added."""
        near = self._kept = _picked(_Near.joined([self._kept, *self._new]), self._most)
        self._new, self._waiting = [], 0
        if self._most is not None:
            confirmed = near.queries[near.pdq_distances <= PDQ_CONFIRMED]
            self.enough = np.bincount(confirmed, minlength=len(self.enough)) >= self._most
        return near


_NOTHING = _Near(
    np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.int32)
)


def _picked(near: _Near, most: int | None) -> _Near:
    ways = near.pdq_distances << 40 | near.phash_distances.astype(np.int64) << 32 | near.variants
    owners = near.queries.astype(np.int64) << 32 | near.sources
    near = near.take(np.lexsort((ways, near.positions, owners)))
    same = np.zeros(len(near), dtype=np.bool_)
    same[1:] = (np.diff(near.queries) == 0) & (np.diff(near.sources) == 0) & (np.diff(near.positions) == 0)
    near = near.take(np.flatnonzero(~same))
    if most is None:
        return near
    distances = near.queries.astype(np.int64) << 32 | near.pdq_distances << 8 | near.phash_distances
    near = near.take(np.argsort(distances, kind="stable"))
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
