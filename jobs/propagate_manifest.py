from jobs.workplace import Work, Workplace, now
from rights import outbox
from rights.batches import batched
from rights.imports import propagate_into_newer, registered_ids
from rights.propagation import apply_propagation
from rights.reach import BATCH, gather, standing_ids


def propagate_manifest(workplace: Workplace, work: Work) -> None:
    """Carries every standing opt-out into a newly registered manifest."""
    manifest_id: int = work.payload["manifest_id"]
    with workplace.reading() as session:
        searched = registered_ids(session)
        ids = standing_ids(session)
    for some in batched(ids, BATCH):
        work.pause()
        findings = gather(workplace.reading, workplace.catalogues, workplace.sandbox, some, manifest_id)
        with workplace.writing.begin() as session:
            apply_propagation(session, findings, fan_out_limit=workplace.config.fan_out_limit, now=now(), complete=False)
    with workplace.effect(work) as session:
        propagate_into_newer(session, searched, now())
        if ids:
            outbox.add_publication(session, now())
