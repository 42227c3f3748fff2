"""The first step of an opt-out: what was opted out itself goes into the list's next version, before anybody looks for its copies.

A photo is named by its uid and by the digest of its file, everything of an owner by the owner. That needs no picture, so nobody's
pictures hold it up. Copies are searched for in a second step, an owner at a time (``SEARCH_COPIES``). A digest that a row of somebody
else has, too, waits for that step, which decides whether the opt-out may take others' photos.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Select, insert, select
from sqlalchemy.orm import Session

from demur.exclusions import Entry, KeyKind
from models import ExclusionEntry, OptOut, OptOutScope
from rights import outbox
from rights.batches import batched
from rights.catalogues import Catalogues
from rights.locks import lock_entries_shared
from rights.own import own_owners
from rights.propagation_plan import Subject, own_entries
from rights.reach import exempted

SEARCH_COPIES = "search_copies"
MOST_COMPARED = 64
"""Rows of one digest whose owners are read. A file that more rows have is taken for others' as well."""


def with_others_bytes(
    session: Session, catalogues: Catalogues, *, request_id: int | None = None, opt_out_id: int | None = None
) -> frozenset[int]:
    """Ids of the opt-outs, of a request or a single one, of photos whose very file others have posted, too. Reads only."""
    photos = [one for one in session.scalars(_waiting(request_id, opt_out_id)) if one.scope is OptOutScope.PHOTO and one.sha256]
    own, shared = own_owners(session, photos), set[int]()
    for _, catalogue in catalogues.registered(session):
        found = catalogue.find_sha256([one.sha256 or "" for one in photos], MOST_COMPARED)
        owners = iter(catalogue.take([int(place) for places in found for place in places], ["owner"])["owner"].to_pylist())
        for one, places in zip(photos, found, strict=True):
            met = {next(owners) for _ in places}
            if met - own[one.id] or len(places) == MOST_COMPARED:
                shared.add(one.id)
    return frozenset(shared)


def name_opt_outs(
    session: Session, now: datetime, shared: Collection[int], *, request_id: int | None = None, opt_out_id: int | None = None
) -> None:
    """Names what a request, or a single opt-out, is about, and promises to search for its copies. Doing it twice has one effect.

    ``shared``: those of which others have the very file (``with_others_bytes``): their digests are not named before the search.
    """
    lock_entries_shared(session)
    waiting = _waiting(request_id, opt_out_id).order_by(OptOut.id).with_for_update()
    opt_outs = session.scalars(waiting.execution_options(populate_existing=True)).all()
    for some in batched(opt_outs):
        _name(session, some, shared, now)
    for owner in sorted({opt_out.owner for opt_out in opt_outs}):
        promise_search(session, owner, now)
    session.flush()


def promise_search(session: Session, owner: str, now: datetime, *, but: int | None = None) -> None:
    """Promises to search for the copies of all that an owner opted out: one turn, however many requests they filed.

    ``but``: the outbox row of a search that is about to end.
    """
    outbox.add_turn(session, SEARCH_COPIES, owner, {"owner": owner}, now, but=but)


def _waiting(request_id: int | None, opt_out_id: int | None) -> Select[OptOut]:
    asked = OptOut.id == opt_out_id if request_id is None else OptOut.request_id == request_id
    return select(OptOut).where(asked, OptOut.withdrawn_at.is_(None), OptOut.propagated_at.is_(None))


def _name(session: Session, opt_outs: Sequence[OptOut], shared: Collection[int], now: datetime) -> None:
    """An owner who put photos back at once is named by the search, photo by photo: the list has no entry that lets one in."""
    entry, ids = ExclusionEntry, [opt_out.id for opt_out in opt_outs]
    exempt = exempted(session, ids)
    listed = session.execute(select(entry.opt_out_id, entry.kind, entry.key).where(entry.opt_out_id.in_(ids)))
    known = {(opt_out_id, kind, key) for opt_out_id, kind, key in listed}
    rows = []
    for opt_out in opt_outs:
        entries = [] if opt_out.id in exempt else _entries(opt_out, shared)
        if entries:
            opt_out.named_at = opt_out.named_at or now
        rows += [_row(opt_out, one) for one in entries if (opt_out.id, one.kind, one.key) not in known]
    if rows:
        session.execute(insert(entry), rows)


def _entries(opt_out: OptOut, shared: Collection[int]) -> list[Entry]:
    entries = own_entries(Subject(opt_out.scope, opt_out.owner, opt_out.subject))
    if opt_out.scope is OptOutScope.PHOTO and opt_out.sha256 and not opt_out.held and opt_out.id not in shared:
        entries.append(Entry(KeyKind.SHA256, opt_out.sha256))
    return entries


def _row(opt_out: OptOut, entry: Entry) -> dict[str, object]:
    return {"opt_out_id": opt_out.id, "kind": entry.kind, "key": entry.key, "pdq": entry.pdq, "ended": False}
