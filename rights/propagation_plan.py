"""What follows from an opt-out and the manifest rows it reaches. Pure.

- A row with the same uid or the same bytes, or of an owner who opted everything out, is *exact*: it always goes.
- A confirmed near duplicate goes by itself, whoever owns it, unless an opt-out reaches more rows of other owners than the fan-out
  limit. Such an opt-out is *held*: its near duplicates under other owners become proposals, and the list does not name its phash,
  by which every reader would exclude them all.
- A proposed one waits for a person.

A row that goes is listed by its uid and, for manifests that are only a list of addresses yet, by its url. Both are taken from the manifest
that the operator imported: no member can name an address.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from demur.exclusions import Entry, KeyKind
from demur.similarity.rules import MatchKind
from models import OptOutScope
from rights.hashes import Hashes

Place = tuple[int, int]  # manifest id, row position

LONGEST_URL = 2000
"""Bytes of a url that is listed. PostgreSQL refuses to index a text of more than 2,700 bytes."""


@dataclass(frozen=True)
class Subject:
    """What an opt-out is about. ``key`` is the uid of a photo, the SHA-256 of a picture, empty for an owner.

    ``held``: it passed the limit before, or has more copies than are told of. ``others``: near duplicates under other owners that earlier
    propagations confirmed. ``accepted``: where a person accepted a proposal. ``whole``: of an owner, whether no photo was put back. The
    list has no entry that lets a photo in, so an owner who put one back is not named: each of their other photos is, as manifests bring it.
    """

    scope: OptOutScope
    owner: str
    key: str
    held: bool = False
    others: int = 0
    accepted: frozenset[Place] = frozenset()
    whole: bool = True


@dataclass(frozen=True)
class FoundRow:
    """A manifest row that shows an opted-out picture. Distances in bits; None for a row found by uid or owner."""

    manifest_id: int
    position: int
    uid: str
    owner: str
    kind: MatchKind
    phash_distance: int | None = None
    pdq_distance: int | None = None
    url: str | None = None  # as the manifest spells it

    @property
    def place(self) -> Place:
        return self.manifest_id, self.position


@dataclass(frozen=True)
class Plan:
    """``rows`` are those to remember, with the kind that applies; ``entries`` those to list."""

    held: bool
    rows: tuple[FoundRow, ...]
    entries: tuple[Entry, ...]


def plan_propagation(subject: Subject, pictures: Sequence[Hashes], found: Sequence[FoundRow], fan_out_limit: int) -> Plan:
    """What to remember and to list for one opt-out.

    Args:
        pictures: what is known of each opted-out picture; for an owner, one for each of their rows.
        found: the rows reached. One that is reached in several ways counts by the closest.
    """
    rows = _closest(found)
    others = [row for row in rows if _confirmed_elsewhere(subject, row)]
    held = subject.held or subject.others + len(others) > fan_out_limit
    if held:
        rows = [replace(row, kind=MatchKind.PROPOSED) if _confirmed_elsewhere(subject, row) else row for row in rows]
    entries = [*own_entries(subject), *(entry for picture in pictures for entry in picture.entries(near=not held))]
    gone = [row for row in rows if row.kind is not MatchKind.PROPOSED or row.place in subject.accepted]
    entries += [entry for row in gone for entry in row_entries(row.uid, row.url)]
    return Plan(held, tuple(rows), tuple(sorted(set(entries))))


def row_entries(uid: str, url: str | None) -> list[Entry]:
    """The entries that exclude one manifest row."""
    entries = [Entry(KeyKind.UID, uid)]
    if url and _names_one_picture(url):
        entries.append(Entry(KeyKind.URL, url))
    return entries


def _names_one_picture(url: str) -> bool:
    """A relative address (``images/0001.jpg``) names another picture in another manifest, so only whole ones are listed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc) and len(url.encode()) <= LONGEST_URL and url.isprintable()


_CLOSENESS = list(MatchKind)


def _closest(found: Sequence[FoundRow]) -> list[FoundRow]:
    best: dict[Place, FoundRow] = {}
    for row in found:
        known = best.get(row.place)
        if known is None or _closeness(row) < _closeness(known):
            best[row.place] = row
    return [best[place] for place in sorted(best)]


def _closeness(row: FoundRow) -> tuple[int, int, int]:
    return _CLOSENESS.index(row.kind), row.pdq_distance or 0, row.phash_distance or 0


def _confirmed_elsewhere(subject: Subject, row: FoundRow) -> bool:
    return row.kind is MatchKind.CONFIRMED and row.owner != subject.owner


def own_entries(subject: Subject) -> list[Entry]:
    """The entry that names what was opted out itself. A looked-up picture has none before its rows are known."""
    match subject.scope:
        case OptOutScope.PHOTO:
            return [Entry(KeyKind.UID, subject.key)]
        case OptOutScope.OWNER:
            return [Entry(KeyKind.OWNER, subject.owner)] if subject.whole else []
        case OptOutScope.PICTURE:
            return []  # its digest is among its pictures' entries
