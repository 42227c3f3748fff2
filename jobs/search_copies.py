from sqlalchemy.orm import Session

from jobs.workplace import Turn, Work, Workplace, now
from rights import outbox
from rights.imports import propagate_into_newer, registered_ids
from rights.naming import SEARCH_COPIES
from rights.propagation import apply_propagation
from rights.reach import Cursor, gather, waiting_ids


def search_copies(workplace: Workplace, work: Work) -> None:
    """Searches for copies of what an owner opted out, for one turn; what is left waits behind the others whose turn it is."""
    owner: str = work.payload["owner"]
    start = Cursor(**work.payload.get("rest", {}))
    with workplace.reading() as session:
        searched = registered_ids(session)
        ids = waiting_ids(session, owner, start)
    turn = Turn(work)
    found = gather(workplace.reading, workplace.catalogues, workplace.sandbox, ids, start=start, over=turn.over)
    work.pause()
    with workplace.effect(work) as session:
        apply_propagation(session, found.findings, limits=workplace.limits, now=now())
        propagate_into_newer(session, searched, now())
        outbox.add_publication(session, now())
        _promise_rest(session, owner, found.rest, work.outbox_id)


def _promise_rest(session: Session, owner: str, rest: Cursor | None, outbox_id: int) -> None:
    if rest is not None or waiting_ids(session, owner):
        payload = {"owner": owner, "rest": rest.payload() if rest else {}}
        outbox.add_turn(session, SEARCH_COPIES, owner, payload, now(), but=outbox_id)
