"""Looking a picture up: the owner sees their rows, anyone else a yes or a no."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from demur.similarity.fingerprint import Fingerprint
from demur.similarity.rules import MatchKind
from demur.similarity.search import Match, find_matches
from rights.catalogues import Catalogues


@dataclass(frozen=True)
class OwnMatch:
    """A photo of the signed-in person that shows the picture, by its closest row. Distances in bits."""

    uid: str
    caption: str
    manifests: tuple[str, ...]
    kind: MatchKind
    phash_distance: int
    pdq_distance: int


@dataclass(frozen=True)
class LookupResult:
    """``found``: some manifest holds the picture, or a confirmed near duplicate. ``others``: under another account than the person's own.

    For someone who is not signed in, ``own`` is empty and ``others`` equals ``found``.
    """

    found: bool
    own: tuple[OwnMatch, ...]
    others: bool


def look_up(session: Session, catalogues: Catalogues, fingerprint: Fingerprint, owners: Sequence[str] | None) -> LookupResult:
    """Searches every registered manifest. ``owners`` is None for someone who is not signed in."""
    own: dict[str, OwnMatch] = {}
    others = False
    for manifest, catalogue in catalogues.registered(session):
        matches = find_matches(catalogue, [fingerprint])[0]
        rows = catalogue.take([match.position for match in matches], ["uid", "owner", "caption"]).to_pylist()
        for match, row in zip(matches, rows, strict=True):
            if row["owner"] in (owners or ()):
                own[row["uid"]] = _closer(own.get(row["uid"]), match, row["uid"], row["caption"] or "", manifest.name)
            elif match.kind is not MatchKind.PROPOSED:
                others = True
    certain = any(match.kind is not MatchKind.PROPOSED for match in own.values())
    return LookupResult(others or certain, tuple(sorted(own.values(), key=_closeness)), others)


def _closer(known: OwnMatch | None, match: Match, uid: str, caption: str, manifest: str) -> OwnMatch:
    this = OwnMatch(uid, caption, (manifest,), match.kind, match.phash_distance, match.pdq_distance)
    if known is None:
        return this
    best = min(known, this, key=_closeness)
    return OwnMatch(uid, best.caption, (*known.manifests, manifest), best.kind, best.phash_distance, best.pdq_distance)


_KINDS = list(MatchKind)


def _closeness(match: OwnMatch) -> tuple[int, int, int]:
    return _KINDS.index(match.kind), match.pdq_distance, match.phash_distance
