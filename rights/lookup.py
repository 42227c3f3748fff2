"""Looking a picture up: the owner sees their rows, anyone else a yes or a no."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import Any

from sqlalchemy.orm import Session

from demur.manifests import Catalogue
from demur.similarity.query import Query
from demur.similarity.rules import MatchKind
from demur.similarity.search import Match
from models import Manifest
from rights.catalogues import Catalogues
from rights.standing import standing_opt_outs

Found = tuple[Manifest, Catalogue, Match]
_KINDS = list(MatchKind)


class SearchLimit(StrEnum):
    """Why a search could find less than usual. It says something about the picture or the portal, and nothing about any row."""

    NO_TRAINING_LIST = "no_training_list"  # none is registered: there is nothing to search
    TOO_PLAIN = "too_plain"  # the picture has too little texture: only the very same file can be found


@dataclass(frozen=True)
class OwnMatch:
    """A photo of the signed-in person that shows the picture, by its closest row.

    The picture comes closest after ``edit`` and turned by ``ORIENTATIONS[dihedral]``. Distances in bits. ``opted_out``: whether the person
    opted this very photo, or all they have, out.
    """

    uid: str
    caption: str
    manifests: tuple[str, ...]
    kind: MatchKind
    phash_distance: int
    pdq_distance: int
    edit: str
    dihedral: int
    opted_out: bool = False

    @property
    def certain(self) -> bool:
        return self.kind is not MatchKind.PROPOSED


@dataclass(frozen=True)
class LookupResult:
    """``own``: photos of the person that show the picture, closest first. ``others``: whether it stands under another account, too."""

    own: tuple[OwnMatch, ...]
    others: bool

    @property
    def found(self) -> bool:
        """Whether some manifest holds the picture, or a confirmed near duplicate."""
        return self.others or any(match.certain for match in self.own)


def search_limit(session: Session, catalogues: Catalogues, query: Query) -> SearchLimit | None:
    if not catalogues.registered(session):
        return SearchLimit.NO_TRAINING_LIST
    return SearchLimit.TOO_PLAIN if query.too_plain else None


def stands(session: Session, catalogues: Catalogues, query: Query) -> bool:
    """What a stranger may learn: whether some manifest holds the picture, or a confirmed near duplicate.

    Searches to the end whatever it finds but for a picture of countless copies, and reads nobody's row but for one digest a manifest.
    """
    matches = catalogues.find_matches(catalogues.registered(session), [query], most_exact=1)[0]
    certain = [match.kind is not MatchKind.PROPOSED for _, _, match in matches]
    return any(certain)


def look_up(session: Session, catalogues: Catalogues, query: Query, owners: Sequence[str]) -> LookupResult:
    """What the person who owns the photos of ``owners`` may learn, from every registered manifest."""
    own: dict[str, OwnMatch] = {}
    owner_of: dict[str, str] = {}
    others = False
    for manifest, match, row in _rows(_matches(session, catalogues, query)):
        if row["owner"] in owners:
            owner_of[row["uid"]] = row["owner"]
            own[row["uid"]] = _closer(own.get(row["uid"]), _own(match, row["uid"], row["caption"] or "", manifest.name))
        elif match.kind is not MatchKind.PROPOSED:
            others = True
    standing = standing_opt_outs(session, owners, list(own))
    told = (replace(match, opted_out=standing.covers(owner_of[uid], uid)) for uid, match in own.items())
    return LookupResult(tuple(sorted(told, key=_closeness)), others)


def _matches(session: Session, catalogues: Catalogues, query: Query) -> list[Found]:
    return catalogues.find_matches(catalogues.registered(session), [query])[0]


def _rows(matches: Iterable[Found]) -> Iterator[tuple[Manifest, Match, dict[str, Any]]]:
    """Each match with its row; one read a manifest."""
    by_manifest = sorted(matches, key=lambda found: found[0].id)
    for _, group in groupby(by_manifest, key=lambda found: found[0].id):
        found = list(group)
        rows = found[0][1].take([match.position for _, _, match in found], ["uid", "owner", "caption"]).to_pylist()
        yield from ((manifest, match, row) for (manifest, _, match), row in zip(found, rows, strict=True))


def _own(match: Match, uid: str, caption: str, manifest: str) -> OwnMatch:
    return OwnMatch(uid, caption, (manifest,), match.kind, match.phash_distance, match.pdq_distance, match.edit, match.dihedral)


def _closer(known: OwnMatch | None, match: OwnMatch) -> OwnMatch:
    """The closest of a photo's rows, with the manifests of all of them."""
    if known is None:
        return match
    return replace(min(known, match, key=_closeness), manifests=(*known.manifests, *match.manifests))


def _closeness(match: OwnMatch) -> tuple[int, int, int]:
    return _KINDS.index(match.kind), match.pdq_distance, match.phash_distance
