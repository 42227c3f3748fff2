"""Carrying out everything that committed changes promise, here and now: the real jobs, without a queue in between."""

from datetime import timedelta
from threading import Event

from jobs.broker import Handing
from jobs.performing import Performer
from jobs.topics import TOPICS
from jobs.workplace import Workplace, now
from rights import outbox

LEASE_S = 60.0


def settle(workplace: Workplace) -> None:
    """Returns when the outbox is empty of work that is due or soon will be."""
    performer = Performer(workplace, Event())
    while handing := _next(workplace):
        performer.carry_out(handing)


def _next(workplace: Workplace) -> Handing | None:
    """Publications wait for everything else, so that how many versions there are does not depend on how fast the machine is."""
    soon = now() + outbox.PUBLISH_DELAY
    others = [topic for topic in TOPICS if topic != outbox.PUBLISH_LIST]
    with workplace.writing.begin() as session:
        for topics in (others, [outbox.PUBLISH_LIST]):
            for row in outbox.lease(session, topics, 1, soon, soon + timedelta(seconds=LEASE_S)):
                row.attempts += 1
                return Handing(row.id, row.attempts, LEASE_S)
    return None
