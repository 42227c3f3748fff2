"""Finds the rows of a catalogue that show the same picture as a query, by the rules of `rules`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from demur.similarity.fingerprint import Fingerprint
from demur.similarity.index import Hits
from demur.similarity.rules import MIN_QUALITY, PDQ_PROPOSED, PHASH_RADIUS, MatchKind, classify

if TYPE_CHECKING:
    from demur.manifests.catalogue import Catalogue


@dataclass(frozen=True)
class StoredFingerprint:
    """A fingerprint without its other orientations, as a catalogue or an exclusion list holds it."""

    sha256: str
    phash: int
    pdq: bytes
    pdq_quality: int

    @property
    def dihedral_phash(self) -> tuple[int, ...]:
        return (self.phash,)

    @property
    def dihedral_pdq(self) -> tuple[bytes, ...]:
        return (self.pdq,)


Query = Fingerprint | StoredFingerprint


@dataclass(frozen=True)
class Match:
    """A row that shows the query's picture. Distances are those of the orientation (`ORIENTATIONS[dihedral]`) that came closest."""

    position: int
    kind: MatchKind
    phash_distance: int
    pdq_distance: int
    dihedral: int
    edit: str = ""


def find_matches(catalogue: "Catalogue", queries: Sequence[Query]) -> list[list[Match]]:
    """For each query all matching rows, each once, closest first. Exact ones by digest, near duplicates by every orientation given.

    Near duplicates are found within `PHASH_RADIUS`, also the confirmed ones, since that is what the index answers.
    """
    best: list[dict[int, Match]] = [{} for _ in queries]
    for number, match in [*_near(catalogue, queries), *_exact(catalogue, queries)]:
        known = best[number].get(match.position)
        if known is None or _rank(match) < _rank(known):
            best[number][match.position] = match
    return [sorted(found.values(), key=_rank) for found in best]


_KINDS = list(MatchKind)


def _rank(match: Match) -> tuple[int, int, int, int]:
    return _KINDS.index(match.kind), match.pdq_distance, match.phash_distance, match.position


def _exact(catalogue: "Catalogue", queries: Sequence[Query]) -> list[tuple[int, Match]]:
    found = catalogue.find_sha256([query.sha256 for query in queries])
    return [(number, Match(int(position), MatchKind.EXACT, 0, 0, 0)) for number, positions in enumerate(found) for position in positions]


def _near(catalogue: "Catalogue", queries: Sequence[Query]) -> list[tuple[int, Match]]:
    asked = [(number, dihedral) for number, query in enumerate(queries) for dihedral in _orientations(query)]
    if not asked:
        return []
    phashes = np.array([queries[number].dihedral_phash[dihedral] for number, dihedral in asked], dtype=np.uint64)
    hits = catalogue.similarity.query(phashes, PHASH_RADIUS)
    pdqs = np.frombuffer(b"".join(queries[number].dihedral_pdq[dihedral] for number, dihedral in asked), dtype=np.uint8).reshape(-1, 32)
    distances = _pdq_distances(catalogue, pdqs, hits)
    close = np.flatnonzero(distances <= PDQ_PROPOSED)
    qualities = catalogue.take(hits.rows[close], ["pdq_quality"])["pdq_quality"].to_pylist()
    matches = []
    for hit, other_quality in zip(close.tolist(), qualities, strict=True):
        number, dihedral = asked[hits.queries[hit]]
        phash_distance, pdq_distance = int(hits.distances[hit]), int(distances[hit])
        kind = classify(
            same_bytes=False,
            phash_distance=phash_distance,
            pdq_distance=pdq_distance,
            quality=queries[number].pdq_quality,
            other_quality=other_quality,
        )
        if kind is not None:
            matches.append((number, Match(int(hits.rows[hit]), kind, phash_distance, pdq_distance, dihedral)))
    return matches


def _orientations(query: Query) -> range:
    """Those to look for: none when the picture has too little texture for any near duplicate."""
    return range(len(query.dihedral_phash)) if query.pdq_quality >= MIN_QUALITY else range(0)


def _pdq_distances(catalogue: "Catalogue", pdqs: npt.NDArray[np.uint8], hits: Hits) -> npt.NDArray[np.int64]:
    """Bits (of 256) between each hit's row and its query."""
    differing = catalogue.pdq(hits.rows) ^ pdqs[hits.queries]
    distances: npt.NDArray[np.int64] = np.bitwise_count(differing).sum(axis=1, dtype=np.int64)
    return distances
