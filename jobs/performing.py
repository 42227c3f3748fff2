"""Carrying out one handing of an outbox row."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy.exc import OperationalError

from jobs.broker import SIGNS_PER_LEASE, Handing
from jobs.topics import TOPICS
from jobs.workplace import AlreadyDone, Interrupted, Work, Workplace, now
from models import Outbox
from rights import outbox

logger = logging.getLogger(__name__)


class Performer:
    """Carries out handings until ``stopping`` is set."""

    def __init__(self, workplace: Workplace, stopping: threading.Event) -> None:
        self._workplace = workplace
        self._stopping = stopping

    def carry_out(self, handing: Handing) -> None:
        """Does the work of a handing, unless it was done, or handed to somebody else since. A failure is noted in the outbox row."""
        with self._workplace.reading() as session:
            row = session.get(Outbox, handing.outbox_id)
        if row is None or row.done_at is not None or row.attempts != handing.attempt:
            return
        with self._signs_of_life(handing) as superseded:
            work = Work(handing.outbox_id, handing.attempt, row.payload, row.created_at, (self._stopping, superseded))
            try:
                TOPICS[row.topic].carry_out(self._workplace, work)
            except AlreadyDone:
                logger.info("%s: done by another worker", handing.job_id)
            except Interrupted:
                logger.warning("%s: told to stop, or handed to another worker", handing.job_id)
                self._give_back(handing)
            except Exception as error:
                logger.exception("%s: %s failed", handing.job_id, row.topic)
                with self._workplace.writing.begin() as session:
                    outbox.failed(session, handing.outbox_id, handing.attempt, type(error).__name__, now())
            else:
                logger.info("%s: %s done", handing.job_id, row.topic)

    def _give_back(self, handing: Handing) -> None:
        with self._workplace.writing.begin() as session:
            outbox.extend(session, handing.outbox_id, handing.attempt, now())

    @contextmanager
    def _signs_of_life(self, handing: Handing) -> Iterator[threading.Event]:
        """Extends the lease while the work goes on; sets the event that it yields when the row was handed to somebody else."""
        over, superseded = threading.Event(), threading.Event()
        thread = threading.Thread(target=self._keep_leased, args=(handing, over, superseded), daemon=True)
        thread.start()
        try:
            yield superseded
        finally:
            over.set()
            thread.join()

    def _keep_leased(self, handing: Handing, over: threading.Event, superseded: threading.Event) -> None:
        while not over.wait(handing.lease_s / SIGNS_PER_LEASE):
            until = now() + timedelta(seconds=handing.lease_s)
            try:
                with self._workplace.writing.begin() as session:
                    mine = outbox.extend(session, handing.outbox_id, handing.attempt, until)
            except OperationalError as error:  # the database is away or busy: the next sign may come in time
                logger.warning("%s: no sign of life: %s", handing.job_id, type(error).__name__)
                continue
            if not mine:
                superseded.set()
                return
