from jobs.workplace import Work, Workplace, now
from rights import outbox
from rights.naming import name_opt_outs, with_others_bytes


def propagate_opt_outs(workplace: Workplace, work: Work) -> None:
    """Names what a request, or one of the platform's opt-outs, is about in the list's next version, and promises the search for copies."""
    with workplace.reading() as session:
        shared = with_others_bytes(session, workplace.catalogues, **work.payload)
    with workplace.effect(work) as session:
        name_opt_outs(session, now(), shared, **work.payload)
        outbox.add_publication(session, now())
