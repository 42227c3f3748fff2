"""Which manifest rows opt-outs reach. Reads only: it may take long, so it runs outside any writing transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from demur.manifests import Catalogue
from demur.similarity.rules import MatchKind
from demur.similarity.search import find_matches
from models import Manifest, OptOut, OptOutScope
from rights.batches import batched
from rights.catalogues import Catalogues
from rights.hashes import Hashes, searched
from rights.propagation_plan import FoundRow
from rights.row_pictures import hashes_of_rows

BATCH = 1000  # opt-outs, or photos of an owner, that are searched for at once

Registered = Sequence[tuple[Manifest, Catalogue]]


@dataclass
class Finding:
    """What was found for one opt-out: what is known of each of its pictures, and the rows it reaches."""

    pictures: list[Hashes] = field(default_factory=list)
    rows: list[FoundRow] = field(default_factory=list)


def waiting_ids(session: Session, *, request_id: int | None = None, opt_out_id: int | None = None) -> list[int]:
    """Of a request's opt-outs, or of a single one, the ids of those that stand and were not propagated yet."""
    asked = OptOut.id == opt_out_id if request_id is None else OptOut.request_id == request_id
    waiting = select(OptOut.id).where(asked, OptOut.withdrawn_at.is_(None), OptOut.propagated_at.is_(None))
    return list(session.scalars(waiting.order_by(OptOut.id)))


def standing_ids(session: Session) -> list[int]:
    """Ids of all opt-outs that stand."""
    return list(session.scalars(select(OptOut.id).where(OptOut.withdrawn_at.is_(None)).order_by(OptOut.id)))


def gather(session: Session, catalogues: Catalogues, ids: Sequence[int], manifest_id: int | None = None) -> dict[int, Finding]:
    """What each opt-out reaches in all registered manifests; or what is new since the manifest ``manifest_id`` was registered.

    A photo of which a manifest tells more than was known is searched for everywhere with it, and so are all photos of an owner, of
    whom a new manifest may bring more.
    """
    registered = catalogues.registered(session)
    new = [(manifest, catalogue) for manifest, catalogue in registered if manifest_id in (None, manifest.id)]
    opt_outs = session.scalars(select(OptOut).where(OptOut.id.in_(ids)).order_by(OptOut.id).options(undefer(OptOut.variants))).all()
    findings = {opt_out.id: Finding() for opt_out in opt_outs}
    for opt_out in opt_outs:
        if opt_out.scope is OptOutScope.OWNER:
            _find_everything(registered, opt_out.owner, findings[opt_out.id])
    single = [opt_out for opt_out in opt_outs if opt_out.scope is not OptOutScope.OWNER]
    _find_uids(new, [opt_out for opt_out in single if opt_out.scope is OptOutScope.PHOTO], findings)
    filed: list[tuple[Finding, Hashes]] = []
    learned: list[tuple[Finding, Hashes]] = []
    for opt_out in single:
        finding, known = findings[opt_out.id], Hashes.of_opt_out(opt_out)
        finding.pictures = _distinct([known, *finding.pictures])
        for picture in finding.pictures:
            (filed if picture == known else learned).append((finding, picture))
    _find_pictures(new, filed)
    _find_pictures(registered, learned)
    return findings


def _find_everything(registered: Registered, owner: str, finding: Finding) -> None:
    """All rows of an owner, exactly, and the copies of each."""
    for manifest, catalogue in registered:
        for positions in batched(catalogue.owner_rows(owner), BATCH):
            rows = catalogue.take(positions, ["uid"]).to_pylist()
            own = [
                FoundRow(manifest.id, position, row["uid"], owner, MatchKind.EXACT) for position, row in zip(positions, rows, strict=True)
            ]
            hashes = hashes_of_rows(catalogue, positions)
            finding.rows += own
            finding.pictures += hashes
            _find_pictures(registered, [(finding, one) for one in hashes])


def _find_uids(where: Registered, opt_outs: Sequence[OptOut], findings: dict[int, Finding]) -> None:
    """The rows that are the opted-out photos themselves."""
    for manifest, catalogue in where:
        positions = catalogue.find_uids([opt_out.subject for opt_out in opt_outs])
        there = [(opt_out, int(position)) for opt_out, position in zip(opt_outs, positions, strict=True) if position >= 0]
        owners = catalogue.take([position for _, position in there], ["owner"])["owner"].to_pylist()
        hashes = hashes_of_rows(catalogue, [position for _, position in there])
        for (opt_out, position), owner, one in zip(there, owners, hashes, strict=True):
            finding = findings[opt_out.id]
            finding.rows.append(FoundRow(manifest.id, position, opt_out.subject, owner, MatchKind.EXACT))
            finding.pictures.append(one)


def _distinct(told: Iterable[Hashes]) -> list[Hashes]:
    """Each picture once, with its variants where somebody knows them."""
    best: dict[str, Hashes] = {}
    for hashes in told:
        known = best.get(hashes.identity)
        if hashes.known and (known is None or len(hashes.variants) > len(known.variants)):
            best[hashes.identity] = hashes
    return list(best.values())


def _find_pictures(where: Registered, pictures: Sequence[tuple[Finding, Hashes]]) -> None:
    """Every row that shows one of the pictures."""
    for manifest, catalogue in where:
        matches = find_matches(catalogue, [searched(hashes.query()) for _, hashes in pictures])
        flat = [(finding, match) for (finding, _), found in zip(pictures, matches, strict=True) for match in found]
        rows = catalogue.take([match.position for _, match in flat], ["uid", "owner"]).to_pylist()
        for (finding, match), row in zip(flat, rows, strict=True):
            distances = (None, None) if match.kind is MatchKind.EXACT else (match.phash_distance, match.pdq_distance)
            finding.rows.append(FoundRow(manifest.id, match.position, row["uid"], row["owner"], match.kind, *distances))
