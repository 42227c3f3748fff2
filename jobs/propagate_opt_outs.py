from jobs.workplace import Work, Workplace, now
from rights import outbox
from rights.batches import batched
from rights.imports import propagate_into_newer, registered_ids
from rights.propagation import apply_propagation
from rights.reach import BATCH, gather, waiting_ids


def propagate_opt_outs(workplace: Workplace, work: Work) -> None:
    """Carries a request's opt-outs, or one of the platform's, into all manifests; what an earlier attempt did is not done again."""
    with workplace.reading() as session:
        searched = registered_ids(session)
        ids = waiting_ids(session, **work.payload)
    for some in batched(ids, BATCH):
        work.pause()
        findings = gather(workplace.reading, workplace.catalogues, workplace.sandbox, some)
        with workplace.writing.begin() as session:
            apply_propagation(session, findings, fan_out_limit=workplace.config.fan_out_limit, now=now())
    with workplace.effect(work) as session:
        propagate_into_newer(session, searched, now())
        outbox.add_publication(session, now())
