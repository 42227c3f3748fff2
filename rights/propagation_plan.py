"""What follows from an opt-out and the manifest rows it reaches. Pure.

- A row with the same uid or the same bytes, or of an owner who opted everything out, is *exact*; a near duplicate may be *confirmed*.
  Both go by themselves, whoever owns them, unless the opt-out takes more of others than it may (rights.reach_limits). Such an opt-out
  is *held*: what it reaches under other owners becomes proposals, and the list names nothing by which a reader would exclude them.
  Photos of the member's linked sign-ins are no others' (rights.own).
- Of a looked-up picture that we have not decoded, the list names the digest only where a row has it, and no looks: a reader finds copies
  by them in orientations that nobody has searched for, let alone counted. What the picture reaches is named row by row.
- A proposed one waits for a person.

A row that goes is listed by its uid and, for manifests that are only a list of addresses yet, by its url. Both are taken from the manifest
that the operator imported: no member can name an address.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from demur.exclusions import Entry, KeyKind
from demur.similarity.belonging import alike
from demur.similarity.rules import MatchKind
from models import OptOutScope
from rights.hashes import Hashes
from rights.reach_limits import Hold, Limits, PhotoOf

Place = tuple[int, int]  # manifest id, row position

LONGEST_URL = 2000
"""Bytes of a url that is listed. PostgreSQL refuses to index a text of more than 2,700 bytes."""


@dataclass(frozen=True)
class Subject:
    """What an opt-out is about. ``key`` is the uid of a photo, the SHA-256 of a picture, empty for an owner.

    ``hold``: why it is held already, or will be whatever it reaches. ``before``: photos of others that earlier propagations took.
    ``accepted``: where a person accepted a proposal; ``refused``: where one declined it, or the row's owner contests.
    ``whole``: of an owner, whether no photo was put back. The list has no entry that
    lets a photo in, so an owner who put one back is not named: each of their other photos is, as manifests bring it. ``decoded``: whether
    we have seen the picture itself, and not only its fingerprint. ``linked``: other owners whose photos are the member's own.
    """

    scope: OptOutScope
    owner: str
    key: str
    hold: Hold | None = None
    before: frozenset[PhotoOf] = frozenset()
    accepted: frozenset[Place] = frozenset()
    refused: frozenset[Place] = frozenset()
    whole: bool = True
    decoded: bool = True
    linked: frozenset[str] = frozenset()

    def owns(self, row: "FoundRow") -> bool:
        return row.owner == self.owner or row.owner in self.linked


@dataclass(frozen=True)
class FoundRow:
    """A manifest row that shows an opted-out picture. Distances in bits; None for a row found by uid or owner. The picture comes closest
    after ``edit``, turned by ``ORIENTATIONS[dihedral]``."""

    manifest_id: int
    position: int
    uid: str
    owner: str
    kind: MatchKind
    phash_distance: int | None = None
    pdq_distance: int | None = None
    url: str | None = None  # as the manifest spells it
    hashes: Hashes = field(default_factory=Hashes)  # of the row
    edit: str = ""
    dihedral: int = 0

    @property
    def place(self) -> Place:
        return self.manifest_id, self.position


@dataclass(frozen=True)
class Plan:
    """``rows`` are those to remember, with the kind that applies; ``entries`` those to list; ``taken``: the photos of others that go."""

    hold: Hold | None
    rows: tuple[FoundRow, ...]
    entries: tuple[Entry, ...]
    taken: frozenset[PhotoOf]

    @property
    def held(self) -> bool:
        return self.hold is not None


def plan_propagation(subject: Subject, pictures: Sequence[Hashes], found: Sequence[FoundRow], limits: Limits) -> Plan:
    """What to remember and to list for one opt-out.

    Args:
        pictures: what is known of each opted-out picture; for an owner, one for each of their rows.
        found: the rows reached. One that is reached in several ways counts by the closest.
    """
    rows = [replace(row, kind=MatchKind.PROPOSED) if row.place in subject.refused else row for row in _closest(found)]
    elsewhere = [row for row in rows if _goes_elsewhere(subject, row)]
    taken = subject.before | {(row.owner, row.uid) for row in elsewhere}
    hold = subject.hold or _hold(subject, elsewhere, taken, limits)
    if hold:
        rows = [replace(row, kind=MatchKind.PROPOSED) if _goes_elsewhere(subject, row) else row for row in rows]
    entries = [*own_entries(subject), *_picture_entries(subject, pictures, found, hold)]
    gone = [row for row in rows if row.kind is not MatchKind.PROPOSED or row.place in subject.accepted]
    entries += [entry for row in gone for entry in row_entries(row.uid, row.url)]
    return Plan(hold, tuple(rows), tuple(sorted(set(entries))), frozenset() if hold else taken)


def _hold(subject: Subject, elsewhere: Sequence[FoundRow], taken: Set[PhotoOf], limits: Limits) -> Hold | None:
    if subject.scope is not OptOutScope.PICTURE:
        return Hold.REACH if len(taken) > limits.photos else None
    if not subject.decoded and elsewhere:
        if len(taken) > limits.fingerprint:
            return Hold.FINGERPRINT
        if not alike([looks for row in elsewhere if (looks := row.hashes.looks)]):
            return Hold.UNLIKE
    return Hold.REACH if limits.picture.passed_by(taken) else None


def _picture_entries(subject: Subject, pictures: Sequence[Hashes], found: Sequence[FoundRow], hold: Hold | None) -> list[Entry]:
    """By its bytes and its looks, as far as a reader excludes by them nothing that is held, and nothing of which we know by hearsay."""
    others = {row.hashes.sha256 for row in found if not subject.owns(row)}
    met = {row.hashes.sha256 for row in found}
    entries = [entry for picture in pictures for entry in picture.entries(near=hold is None and subject.decoded)]
    digests = {entry.key for entry in entries if entry.kind is KeyKind.SHA256}
    named = {digest for digest in digests if (digest in met or subject.decoded) and not (hold and digest in others)}
    return [entry for entry in entries if entry.kind is not KeyKind.SHA256 or entry.key in named]


def row_entries(uid: str, url: str | None) -> list[Entry]:
    """The entries that exclude one manifest row. A uid that cannot be kept names nothing: its row goes by owner, bytes or looks."""
    entries = [Entry(KeyKind.UID, uid)] if can_be_kept(uid) else []
    if url and _names_one_picture(url):
        entries.append(Entry(KeyKind.URL, url))
    return entries


def can_be_kept(uid: str) -> bool:
    """PostgreSQL keeps no NUL. Imports leave such rows out now; an older one may have taken them."""
    return "\0" not in uid


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


def _goes_elsewhere(subject: Subject, row: FoundRow) -> bool:
    return row.kind is not MatchKind.PROPOSED and not subject.owns(row)


def own_entries(subject: Subject) -> list[Entry]:
    """The entry that names what was opted out itself. A looked-up picture has none before its rows are known."""
    match subject.scope:
        case OptOutScope.PHOTO:
            return [Entry(KeyKind.UID, subject.key)]
        case OptOutScope.OWNER:
            return [Entry(KeyKind.OWNER, subject.owner)] if subject.whole else []
        case OptOutScope.PICTURE:
            return []  # its digest is among its pictures' entries
