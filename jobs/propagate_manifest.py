from jobs.workplace import Turn, Work, Workplace, now
from rights import outbox
from rights.imports import PROPAGATE_MANIFEST, propagate_into_newer, registered_ids
from rights.propagation import apply_propagation
from rights.reach import BATCH, Cursor, Gathered, gather, standing_ids


def propagate_manifest(workplace: Workplace, work: Work) -> None:
    """Carries standing opt-outs into a newly registered manifest, for one turn; what is left waits behind the others whose turn it is."""
    manifest_id: int = work.payload["manifest_id"]
    start = Cursor(**work.payload.get("rest", {}))
    with workplace.reading() as session:
        searched = registered_ids(session)
        ids = standing_ids(session, start)
    turn = Turn(work)
    found = gather(workplace.reading, workplace.catalogues, workplace.sandbox, ids, manifest_id, start=start, over=turn.over)
    work.pause()
    rest = _rest(found, ids)
    with workplace.effect(work) as session:
        apply_propagation(session, found.findings, limits=workplace.limits, now=now(), complete=False)
        propagate_into_newer(session, searched, now())
        if ids:
            outbox.add_publication(session, now())
        if rest:
            outbox.add(session, PROPAGATE_MANIFEST, {"manifest_id": manifest_id, "rest": rest.payload()}, now())


def _rest(found: Gathered, ids: list[int]) -> Cursor | None:
    if found.rest is None and len(ids) == BATCH:
        return Cursor(ids[-1] + 1)
    return found.rest
