"""Which manifest rows opt-outs reach. Reads only: it may take long, so it runs outside any writing transaction."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker, undefer

from demur.manifests import Catalogue
from demur.similarity.rules import MatchKind
from demur.similarity.sandbox import Sandbox
from demur.similarity.search import Match
from models import Exemption, OptOut, OptOutScope
from rights.batches import batched
from rights.catalogues import MOST_COPIES, Catalogues, Registered
from rights.hashes import Hashes
from rights.propagation_plan import FoundRow
from rights.row_pictures import hashes_of_rows

BATCH = 10_000
"""Opt-outs, or pictures, that are searched for at once, in one pass over the index: about 25 kB of hashes each."""
TAKEN = 1000  # photos of an owner that are read from a catalogue at once


@dataclass
class Finding:
    """What was found for one opt-out: what is known of each of its pictures, and the rows it reaches.

    ``countless``: one of the pictures has so many copies (MOST_COPIES) that not all of them may be among the rows. ``exempt``: uids that
    were put back from an opt-out of everything: neither they nor their pictures were looked for, but they may be copies of others.
    """

    pictures: list[Hashes] = field(default_factory=list)
    rows: list[FoundRow] = field(default_factory=list)
    countless: bool = False
    exempt: frozenset[str] = frozenset()


Searched = tuple[Finding, Hashes]


def waiting_ids(session: Session, *, request_id: int | None = None, opt_out_id: int | None = None) -> list[int]:
    """Of a request's opt-outs, or of a single one, the ids of those that stand and were not propagated yet."""
    asked = OptOut.id == opt_out_id if request_id is None else OptOut.request_id == request_id
    waiting = select(OptOut.id).where(asked, OptOut.withdrawn_at.is_(None), OptOut.propagated_at.is_(None))
    return list(session.scalars(waiting.order_by(OptOut.id)))


def standing_ids(session: Session) -> list[int]:
    """Ids of all opt-outs that stand."""
    return list(session.scalars(select(OptOut.id).where(OptOut.withdrawn_at.is_(None)).order_by(OptOut.id)))


def exempted(session: Session, opt_out_ids: Sequence[int]) -> dict[int, frozenset[str]]:
    """Of each opt-out from which photos were put back, their uids."""
    uids = defaultdict(set)
    for some in batched(opt_out_ids):
        rows = select(Exemption.opt_out_id, Exemption.uid).where(Exemption.opt_out_id.in_(some))
        for opt_out_id, uid in session.execute(rows):
            uids[opt_out_id].add(uid)
    return {opt_out_id: frozenset(known) for opt_out_id, known in uids.items()}


def gather(
    sessions: sessionmaker[Session], catalogues: Catalogues, sandbox: Sandbox, ids: Sequence[int], manifest_id: int | None = None
) -> dict[int, Finding]:
    """What each opt-out reaches in all registered manifests; or what is new since the manifest ``manifest_id`` was registered.

    A photo of which a manifest tells more than was known is searched for everywhere with it, and so are all photos of an owner, of
    whom a new manifest may bring more. Pictures are decoded in ``sandbox``, meanwhile no session is open.
    """
    with sessions() as session:
        registered = catalogues.registered(session)
        chosen = select(OptOut).where(OptOut.id.in_(ids)).order_by(OptOut.id)
        opt_outs = session.scalars(chosen.options(undefer(OptOut.variants))).all()
        exempt = exempted(session, ids)
    new = [(manifest, catalogue) for manifest, catalogue in registered if manifest_id in (None, manifest.id)]
    findings = {opt_out.id: Finding(exempt=exempt.get(opt_out.id, frozenset())) for opt_out in opt_outs}
    everything = [opt_out for opt_out in opt_outs if opt_out.scope is OptOutScope.OWNER]
    _find_pictures(catalogues, registered, _of_owners(registered, everything, findings, sandbox))
    single = [(opt_out, Hashes.of_opt_out(opt_out)) for opt_out in opt_outs if opt_out.scope is not OptOutScope.OWNER]
    _find_uids(new, [(opt_out, known) for opt_out, known in single if opt_out.scope is OptOutScope.PHOTO], findings, sandbox)
    filed: list[Searched] = []
    learned: list[Searched] = []
    for opt_out, known in single:
        finding = findings[opt_out.id]
        finding.pictures = _distinct([known, *finding.pictures])
        for picture in finding.pictures:
            (filed if picture == known else learned).append((finding, picture))
    _find_pictures(catalogues, new, filed)
    _find_pictures(catalogues, registered, learned)
    return findings


def _of_owners(registered: Registered, opt_outs: Sequence[OptOut], findings: dict[int, Finding], sandbox: Sandbox) -> Iterator[Searched]:
    """Adds all rows of each owner, exactly, and gives their pictures, whose copies are to be searched for. Photos put back are left out."""
    for opt_out in opt_outs:
        finding = findings[opt_out.id]
        for manifest, catalogue in registered:
            for positions in batched(catalogue.owner_rows(opt_out.owner), TAKEN):
                rows = catalogue.take(positions, ["uid", "url"]).to_pylist()
                for position, row, hashes in zip(positions, rows, hashes_of_rows(catalogue, positions, sandbox, {}), strict=True):
                    if row["uid"] in finding.exempt:
                        continue
                    finding.rows.append(FoundRow(manifest.id, position, row["uid"], opt_out.owner, MatchKind.EXACT, url=row["url"]))
                    finding.pictures.append(replace(hashes, variants=()))  # an owner may have a hundred thousand
                    yield finding, hashes


def _find_uids(where: Registered, photos: Sequence[tuple[OptOut, Hashes]], findings: dict[int, Finding], sandbox: Sandbox) -> None:
    """The rows that are the opted-out photos themselves, each with the hashes that are known of it."""
    decoded = {known.sha256: known for _, known in photos if known.sha256 and known.variants}
    for manifest, catalogue in where:
        positions = catalogue.find_uids([opt_out.subject for opt_out, _ in photos])
        there = [(opt_out, int(position)) for (opt_out, _), position in zip(photos, positions, strict=True) if position >= 0]
        rows = catalogue.take([position for _, position in there], ["owner", "url"]).to_pylist()
        hashes = hashes_of_rows(catalogue, [position for _, position in there], sandbox, decoded)
        for (opt_out, position), row, one in zip(there, rows, hashes, strict=True):
            finding = findings[opt_out.id]
            finding.rows.append(FoundRow(manifest.id, position, opt_out.subject, row["owner"], MatchKind.EXACT, url=row["url"]))
            finding.pictures.append(one)


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
    rows = catalogue.take([match.position for _, match in reached], ["uid", "owner", "url"]).to_pylist()
    for (finding, match), row in zip(reached, rows, strict=True):
        phash, pdq = (None, None) if match.kind is MatchKind.EXACT else (match.phash_distance, match.pdq_distance)
        finding.rows.append(FoundRow(manifest_id, match.position, row["uid"], row["owner"], match.kind, phash, pdq, row["url"]))
