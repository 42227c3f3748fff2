"""The queue between relay and workers, and what a job may be.

A job is the id of an outbox row and nothing else. RQ would import and call whatever name a job carries, and JSON as serialiser does
not prevent ``enqueue("os.system", …)``; so our job class calls one thing only, whatever the queue says.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

FAILED_KEPT_S = 3600  # the outbox row has the error; RQ's copy is for whoever looks at the queue
SIGNS_PER_LEASE = 3
SILENCE_S = 30  # a broker that answers nothing for so long is away; longer than a worker's wait for a job
NAME = "outbox"
UNLIMITED = -1

logger = logging.getLogger(__name__)


class NotAnOutboxJob(Exception):
    """The queue holds something that the relay did not put there."""


class HandingFailed(Exception):
    """A handing could not even be noted as failed. Says the error's class: the queue keeps its words, which may be personal."""


@dataclass(frozen=True)
class Handing:
    """One handing of an outbox row to a worker, who gives a sign of life more often than every ``lease_s`` seconds."""

    outbox_id: int
    attempt: int
    lease_s: float

    @property
    def job_id(self) -> str:
        return f"{NAME}-{self.outbox_id}-{self.attempt}"


class OutboxJob(Job):
    """Carries out a handing. Function names, callbacks and webhooks that a job in the queue may name are never looked at."""

    carry_out: ClassVar[Callable[[Handing], None]]

    def perform(self) -> None:
        """Raises NotAnOutboxJob, HandingFailed."""
        match self.args:
            case [int(outbox_id), int(attempt), int() | float() as lease_s]:
                self._carry_out(Handing(outbox_id, attempt, lease_s))
            case _:
                raise NotAnOutboxJob(self.id)

    def _carry_out(self, handing: Handing) -> None:
        try:
            type(self).carry_out(handing)
        except Exception as error:
            logger.exception("%s: could not be carried out", handing.job_id)
            raise HandingFailed(type(error).__name__) from None

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None

    def send_webhooks(self, *_: Any, **__: Any) -> None:
        return None


def connect(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=SILENCE_S)


def open_queue(name: str, connection: Redis) -> Queue:
    return Queue(name, connection=connection, job_class=OutboxJob, serializer=JSONSerializer)


def hand_over(queue: Queue, handings: Sequence[Handing]) -> None:
    """Puts jobs into the queue. Raises redis.ConnectionError, redis.TimeoutError."""
    jobs = [
        Queue.prepare_data(
            NAME,
            args=[handing.outbox_id, handing.attempt, handing.lease_s],
            job_id=handing.job_id,
            timeout=UNLIMITED,
            result_ttl=0,
            failure_ttl=FAILED_KEPT_S,
            description=handing.job_id,
        )
        for handing in handings
    ]
    queue.enqueue_many(jobs)
