"""A worker process: takes jobs from one queue (BLPOP on several can lose a job) until it is told to stop."""

import logging
import os
import secrets
import socket
from collections.abc import Callable
from threading import Event
from typing import ClassVar

import redis
from redis import Redis
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from jobs.broker import Handing, OutboxJob, open_queue
from jobs.performing import Performer
from jobs.publish_list import repair_public
from jobs.workplace import Workplace

WORKER_TTL_S = 30
MAINTENANCE_S = 5
PATIENCE_S = 1.0

logger = logging.getLogger(__name__)


class PatientWorker(SimpleWorker):
    """RQ's worker that runs jobs in its own process, waits for a broker that is away, and tells its job that it is to stop."""

    max_connection_wait_time = 2.0
    stopping: ClassVar[Event]

    def handle_warm_shutdown_request(self) -> None:
        self.stopping.set()

    def check_for_suspension(self, burst: bool) -> None:
        """RQ calls this before each job; a signal that came before RQ's own handlers were in place is seen here."""
        if self.stopping.is_set():
            raise StopRequested
        super().check_for_suspension(burst)


def work(queue_name: str, workplace: Workplace, broker: Redis, stopping: Event) -> None:
    """Works until ``stopping`` is set, which the first SIGTERM or SIGINT does. A job in hand is finished, or given back if it is long."""
    repair_public(workplace)
    worker_class = type("Worker", (PatientWorker,), {"stopping": stopping})
    job_class = _job_class(Performer(workplace, stopping).carry_out)
    while not stopping.is_set():
        try:
            worker = worker_class(
                [open_queue(queue_name, broker)],
                name=f"{queue_name}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
                connection=broker,
                job_class=job_class,
                serializer=JSONSerializer,
                worker_ttl=WORKER_TTL_S,
                maintenance_interval=MAINTENANCE_S,
            )
            worker.work(logging_level="WARNING")
        except (redis.ConnectionError, redis.TimeoutError) as error:
            logger.warning("waiting for the broker: %s", type(error).__name__)
        except StopRequested:  # by a signal between two rounds
            return
        if not stopping.is_set():
            stopping.wait(PATIENCE_S)


def _job_class(carry_out: Callable[[Handing], None]) -> type[OutboxJob]:
    return type("WorkerJob", (OutboxJob,), {"carry_out": staticmethod(carry_out)})
