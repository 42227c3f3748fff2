"""Which manifest rows opt-outs reach. Reads only: it may take long, so it runs outside any writing transaction, a slice at a time.

Pictures are decoded to find edited copies, and a picture may be made to take seconds. So a slice ends when its time is over, and what
is left is told as a `Cursor`, from which another slice goes on after others had their turn.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker, undefer

from demur.manifests import Catalogue
from demur.similarity.rules import MatchKind
from demur.similarity.sandbox import Sandbox
from demur.similarity.search import Match
from models import Exemption, Manifest, OptOut, OptOutScope
from rights.batches import batched
from rights.catalogues import MOST_COPIES, Catalogues, Registered
from rights.hashes import ROW_COLUMNS, Hashes
from rights.propagation_plan import FoundRow
from rights.row_pictures import Place, hashes_of_rows, never, read_rows

BATCH = 10_000
"""Opt-outs, or pictures, that are searched for at once, in one pass over the index: about 25 kB of hashes each."""
TAKEN = 256  # pictures that are read and decoded between two looks at the clock by the walk


@dataclass(frozen=True)
class Cursor:
    """What a search has still before it: the opt-outs from this one on. Of one for everything, the rows of its owner from the manifest
    ``manifest_id`` on, without the first ``taken`` there."""

    opt_out_id: int = 0
    manifest_id: int = 0
    taken: int = 0

    def payload(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Finding:
    """What was found for one opt-out: what is known of each of its pictures, and the rows it reaches.

    ``countless``: one of the pictures has so many copies (MOST_COPIES) that not all of them may be among the rows. ``exempt``: uids that
    were put back from an opt-out of everything: neither they nor their pictures were looked for, but they may be copies of others.
    ``whole``: no row is left for another slice. ``decoded``: a manifest holds the file itself of a picture of which we had only what
    a client says of it, so that its looks are known.
    """

    pictures: list[Hashes] = field(default_factory=list)
    rows: list[FoundRow] = field(default_factory=list)
    countless: bool = False
    exempt: frozenset[str] = frozenset()
    whole: bool = True
    decoded: bool = False


@dataclass(frozen=True)
class Gathered:
    """A slice of a search: what was found for each opt-out that it came to, by id, and what is left for another slice."""

    findings: dict[int, Finding]
    rest: Cursor | None


Searched = tuple[Finding, Hashes]


def waiting_ids(session: Session, owner: str, start: Cursor = Cursor()) -> list[int]:
    """Ids of an owner's opt-outs that stand and were not searched for in full: the first BATCH of them."""
    waiting = select(OptOut.id).where(OptOut.owner == owner, OptOut.withdrawn_at.is_(None), OptOut.propagated_at.is_(None))
    return list(session.scalars(waiting.where(OptOut.id >= start.opt_out_id).order_by(OptOut.id).limit(BATCH)))


def standing_ids(session: Session, start: Cursor = Cursor()) -> list[int]:
    """Ids of opt-outs that stand, whosesoever: the first BATCH of them."""
    standing = select(OptOut.id).where(OptOut.withdrawn_at.is_(None), OptOut.id >= start.opt_out_id)
    return list(session.scalars(standing.order_by(OptOut.id).limit(BATCH)))


def exempted(session: Session, opt_out_ids: Sequence[int]) -> dict[int, frozenset[str]]:
    """Of each opt-out from which photos were put back, their uids."""
    uids = defaultdict(set)
    for some in batched(opt_out_ids):
        rows = select(Exemption.opt_out_id, Exemption.uid).where(Exemption.opt_out_id.in_(some))
        for opt_out_id, uid in session.execute(rows):
            uids[opt_out_id].add(uid)
    return {opt_out_id: frozenset(known) for opt_out_id, known in uids.items()}


def gather(
    sessions: sessionmaker[Session],
    catalogues: Catalogues,
    sandbox: Sandbox,
    ids: Sequence[int],
    manifest_id: int | None = None,
    *,
    start: Cursor = Cursor(),
    over: Callable[[], bool] = never,
) -> Gathered:
    """What each opt-out reaches in all registered manifests; or what is new since the manifest ``manifest_id`` was registered.

    A photo of which a manifest tells more than was known is searched for everywhere with it, and so are all photos of an owner, of
    whom a new manifest may bring more. Pictures are decoded in ``sandbox``, meanwhile no session is open. Once ``over`` no further
    picture is decoded, but at least one was.
    """
    with sessions() as session:
        registered = catalogues.registered(session)
        chosen = select(OptOut).where(OptOut.id.in_(ids)).order_by(OptOut.id)
        opt_outs = session.scalars(chosen.options(undefer(OptOut.variants))).all()
        exempt = exempted(session, ids)
    new = [(manifest, catalogue) for manifest, catalogue in registered if manifest_id in (None, manifest.id)]
    findings = {opt_out.id: Finding(exempt=exempt.get(opt_out.id, frozenset())) for opt_out in opt_outs}
    known = {opt_out.id: Hashes.of_opt_out(opt_out) for opt_out in opt_outs}
    walk = _Walk(findings, [known[opt_out.id] for opt_out in opt_outs if opt_out.decoded], sandbox, over)
    rest = walk.take(_named(opt_outs, registered, new, findings, start))
    findings = _searched(findings, rest)
    _find_pictures(catalogues, registered, (one for one in walk.of_owners if one[0] in findings.values()))
    filed: list[Searched] = []
    learned: list[Searched] = []
    for opt_out in opt_outs:
        if opt_out.scope is OptOutScope.OWNER or opt_out.id not in findings:
            continue
        finding = findings[opt_out.id]
        finding.pictures = _distinct([*([] if finding.decoded else [known[opt_out.id]]), *finding.pictures])
        for picture in finding.pictures:
            (filed if picture == known[opt_out.id] else learned).append((finding, picture))
    _find_pictures(catalogues, new, filed)
    _find_pictures(catalogues, registered, learned)
    return Gathered(findings, rest)


def _searched(findings: dict[int, Finding], rest: Cursor | None) -> dict[int, Finding]:
    """Those that the walk came to: all before the rest, and one for everything of which it took some rows."""
    if rest is None:
        return findings
    half = findings[rest.opt_out_id]
    half.whole = False
    return {
        opt_out_id: finding
        for opt_out_id, finding in findings.items()
        if opt_out_id < rest.opt_out_id or (finding is half and rest.manifest_id)
    }


@dataclass(frozen=True)
class _Named:
    """A manifest row that is an opted-out photo itself. ``cursor``: where a search goes on that did not come to it."""

    opt_out: OptOut
    manifest: Manifest
    place: Place
    cursor: Cursor
    must: bool = False  # is looked at however late it is


def _named(
    opt_outs: Sequence[OptOut], registered: Registered, new: Registered, findings: dict[int, Finding], start: Cursor
) -> Iterator[_Named]:
    """The rows that opt-outs name, in the order of opt-outs: of a photo by its uid, of everything by its owner, without those put back;
    of a picture that we have not decoded, one by its bytes in each manifest, for not every manifest holds the files."""
    photos = [opt_out for opt_out in opt_outs if opt_out.scope is OptOutScope.PHOTO]
    claims = [opt_out for opt_out in opt_outs if not opt_out.decoded]
    named: dict[int, list[_Named]] = defaultdict(list)
    for manifest, catalogue in new:
        positions = catalogue.find_uids([opt_out.subject for opt_out in photos])
        for opt_out, position in zip(photos, positions, strict=True):
            if position >= 0:
                named[opt_out.id].append(_Named(opt_out, manifest, (catalogue, int(position)), Cursor(opt_out.id)))
        for opt_out, same in zip(claims, catalogue.find_sha256([opt_out.subject for opt_out in claims], most=1), strict=True):
            named[opt_out.id] += [_Named(opt_out, manifest, (catalogue, int(row)), Cursor(opt_out.id)) for row in same]
    for opt_out in opt_outs:
        if opt_out.scope is OptOutScope.OWNER:
            yield from _of_owner(opt_out, registered, start, must=bool(findings[opt_out.id].exempt))
        yield from named.pop(opt_out.id, ())


def _of_owner(opt_out: OptOut, registered: Registered, start: Cursor, *, must: bool) -> Iterator[_Named]:
    """All rows of an owner, by manifest. ``must``: what no longer follows after photos were put back is only known by all the others."""
    begun = start if start.opt_out_id == opt_out.id and not must else Cursor()
    for manifest, catalogue in sorted(registered, key=lambda one: one[0].id):
        if manifest.id < begun.manifest_id:
            continue
        skip = begun.taken if manifest.id == begun.manifest_id else 0
        for taken, position in enumerate(catalogue.owner_rows(opt_out.owner)):
            if taken >= skip:
                yield _Named(opt_out, manifest, (catalogue, int(position)), Cursor(opt_out.id, manifest.id, taken), must)


class _Walk:
    """Looks at the rows that opt-outs name, and adds to the findings what they tell. ``of_owners``: pictures of opt-outs for everything."""

    def __init__(self, findings: dict[int, Finding], known: Sequence[Hashes], sandbox: Sandbox, over: Callable[[], bool]) -> None:
        """``known``: hashes that we made ourselves."""
        self._findings, self._sandbox, self._over = findings, sandbox, over
        self._decoded = {one.sha256: one for one in known if one.sha256 and one.variants}
        self.of_owners: list[Searched] = []

    def take(self, named: Iterator[_Named]) -> Cursor | None:
        """Takes rows until the time is over; the first one that was left. A slice takes a whole photo, or one row of an owner, at least."""
        first: _Named | None = None
        while some := list(islice(named, TAKEN)):
            if first and self._full and not (some[0].must or some[0].cursor == first.cursor):
                return some[0].cursor
            first = first or some[0]
            left = self._look(some, [one.must or one.cursor == first.cursor for one in some])
            if left:
                return left
        return None

    def _look(self, some: Sequence[_Named], must: Sequence[bool]) -> Cursor | None:
        places = [one.place for one in some]
        rows = read_rows(places)
        told = hashes_of_rows(places, rows, self._sandbox, self._decoded, must=must, over=self._over)
        for one, row, hashes in zip(some, rows, told, strict=True):
            if hashes is None:
                return one.cursor
            self._add(one, row, hashes)
        return None

    @property
    def _full(self) -> bool:
        return self._over() or len(self.of_owners) >= BATCH

    def _add(self, one: _Named, row: Mapping[str, Any], hashes: Hashes) -> None:
        finding = self._findings[one.opt_out.id]
        if one.opt_out.scope is OptOutScope.PICTURE:
            finding.decoded |= bool(hashes.variants)
            finding.pictures += [hashes] if hashes.variants else []
            return  # the search by its bytes finds this row with all others
        everything = one.opt_out.scope is OptOutScope.OWNER
        if row["uid"] in finding.exempt or (everything and row["owner"] != one.opt_out.owner):
            return  # a damaged table of owners is not believed: nobody else's photo is theirs
        finding.rows.append(FoundRow(one.manifest.id, one.place[1], row["uid"], row["owner"], MatchKind.EXACT, url=row["url"]))
        if everything:
            finding.pictures.append(replace(hashes, variants=()))  # an owner may have a hundred thousand
            self.of_owners.append((finding, hashes))
        else:
            finding.pictures.append(hashes)


def _distinct(told: Iterable[Hashes]) -> list[Hashes]:
    """Each picture once, with its variants where somebody knows them."""
    best: dict[str, Hashes] = {}
    for hashes in told:
        known = best.get(hashes.identity)
        if hashes.known and (known is None or len(hashes.variants) > len(known.variants)):
            best[hashes.identity] = hashes
    return list(best.values())


def _find_pictures(catalogues: Catalogues, where: Registered, pictures: Iterable[Searched]) -> None:
    """Every row that shows one of the pictures."""
    coming = iter(pictures)
    while some := list(islice(coming, BATCH)):
        found = catalogues.find_matches(where, [hashes.query() for _, hashes in some])
        reached: dict[int, list[tuple[Finding, Match]]] = defaultdict(list)
        for (finding, _), matches in zip(some, found, strict=True):
            finding.countless |= len(matches) >= MOST_COPIES  # exact ones too: they were among the closest
            for manifest, _, match in matches:
                reached[manifest.id].append((finding, match))
        for manifest, catalogue in where:
            _add_rows(manifest.id, catalogue, reached[manifest.id])


def _add_rows(manifest_id: int, catalogue: Catalogue, reached: Sequence[tuple[Finding, Match]]) -> None:
    rows = catalogue.take([match.position for _, match in reached], ["uid", "owner", "url", *ROW_COLUMNS]).to_pylist()
    for (finding, match), row in zip(reached, rows, strict=True):
        phash, pdq = (None, None) if match.kind is MatchKind.EXACT else (match.phash_distance, match.pdq_distance)
        finding.rows.append(
            FoundRow(
                manifest_id,
                match.position,
                row["uid"],
                row["owner"],
                match.kind,
                phash,
                pdq,
                row["url"],
                Hashes.of_row(row),
                match.edit,
                match.dihedral,
            )
        )
