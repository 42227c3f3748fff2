"""Hands due outbox rows to the workers' queues.

The broker may forget everything at any time. A handing is a lease: it lasts while the job waits in its queue or its worker gives signs
of life; otherwise it runs out, and the row is handed out again with the next attempt number, which takes it from whoever had it.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event

import redis
from redis import Redis
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from jobs.broker import SIGNS_PER_LEASE, Handing, hand_over, open_queue
from jobs.publish_list import repair_public
from jobs.topics import QUEUES, topics_of
from jobs.workplace import Workplace, now
from rights import outbox
from rights.accounts import forget_addresses
from rights.lists import renew

LEASE_S = 20.0
LOOK_EVERY_S = 0.2
PATIENCE_S = 1.0  # between tries while the broker or the database is away
TEND_EVERY_S = 10.0
WINDOW = 500  # jobs that wait in a queue at most; the others wait in the outbox

logger = logging.getLogger(__name__)


class Relay:
    def __init__(self, workplace: Workplace, broker: Redis, lease_s: float = LEASE_S) -> None:
        self._workplace = workplace
        self._queues = {name: open_queue(name, broker) for name in QUEUES}
        self._lease_s = lease_s
        self._tended_at: float | None = None  # by a clock that nobody sets
        self._away = False
        self._shut_out = False  # by the database, since work was last handed out

    def run(self, stopping: Event) -> None:
        """Relays until told to stop. While broker or database are away it waits, and says so once."""
        while not stopping.is_set():
            try:
                self.tick()
            except (redis.ConnectionError, redis.TimeoutError, OperationalError) as error:
                if not self._away:
                    logger.warning("waiting for the broker and the database: %s", type(error).__name__)
                self._away = True
                self._shut_out |= isinstance(error, OperationalError)
                stopping.wait(PATIENCE_S)
            else:
                if self._away:
                    logger.warning("going on")
                self._away = False
                stopping.wait(LOOK_EVERY_S)

    def tick(self) -> int:
        """Hands out what is due and returns how many rows that were. Raises redis errors, OperationalError."""
        self._tend()
        with self._workplace.reading() as session:
            if not outbox.due(session, now()):
                return 0
        return sum(self._hand_out(name) for name in QUEUES)

    def _hand_out(self, name: str) -> int:
        queue = self._queues[name]
        waiting = set(queue.get_job_ids())
        handings = []
        with self._writing() as session:
            until = now() + timedelta(seconds=self._lease_s)
            if self._shut_out:
                outbox.spare(session, until, now())
            for row in outbox.lease(session, topics_of(name), max(0, WINDOW - len(waiting)), now(), until):
                handing = Handing(row.id, row.attempts, self._lease_s)
                if handing.job_id not in waiting:
                    row.attempts += 1
                    handings.append(Handing(row.id, row.attempts, self._lease_s))
        self._shut_out = False
        # A crash here leaves leases without jobs: they run out.
        if handings:
            hand_over(queue, handings)
        return len(handings)

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        """A transaction that writes. Where it waited for so long that a worker's sign of life may have been due, no worker could write."""
        asked = time.monotonic()
        with self._workplace.writing.begin() as session:
            session.connection()
            self._shut_out |= time.monotonic() - asked > self._lease_s / SIGNS_PER_LEASE
            yield session

    def _tend(self) -> None:
        """What is looked after every few seconds, whatever the time of day is said to be."""
        if self._tended_at is not None and time.monotonic() - self._tended_at < TEND_EVERY_S:
            return
        repair_public(self._workplace)
        with self._writing() as session:
            renew(session, self._workplace.list_lifetime, now())
            recalled = outbox.recall(session, timedelta(seconds=self._lease_s), now())
            if self._tended_at is None and self._workplace.config.mail_server is None:
                forget_addresses(session)
        if recalled:
            logger.warning("%d rows were put off for longer than anything is: was a clock ahead?", recalled)
        self._tended_at = time.monotonic()
