"""What stands in the queue can make a worker do one thing only."""

from pathlib import Path

import pytest
from rq import Callback, Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer

from jobs.broker import Handing, OutboxJob, connect, hand_over, open_queue
from tests.support.brokers import Broker


@pytest.fixture
def carried_out(broker: Broker):
    """Runs what is in the queue ``propagate`` and returns the handings that were carried out."""

    def run() -> list[Handing]:
        taken: list[Handing] = []
        job_class = type("TestJob", (OutboxJob,), {"carry_out": staticmethod(taken.append)})
        with connect(broker.url) as connection:
            queue = open_queue("search", connection)
            SimpleWorker([queue], connection=connection, job_class=job_class, serializer=JSONSerializer).work(
                burst=True, logging_level="CRITICAL"
            )
        return taken

    return run


def test_a_handing_comes_out_as_it_went_in(broker: Broker, carried_out):
    handings = [Handing(1, 1, 20.0), Handing(2, 5, 0.5)]
    with connect(broker.url) as connection:
        queue = open_queue("search", connection)
        hand_over(queue, handings)
        assert queue.get_job_ids() == ["outbox-1-1", "outbox-2-5"]
    assert carried_out() == handings


def test_no_other_function_is_ever_called(broker: Broker, carried_out, tmp_path: Path):
    proof = tmp_path / "called"
    command = f"touch {proof}"
    with connect(broker.url) as connection:
        queue = Queue("search", connection=connection, serializer=JSONSerializer)
        queue.enqueue("os.system", command)
        queue.enqueue("os.system", command, on_failure=Callback("os.system"), on_success=Callback("os.system"))
        instance = Job.create("system", args=[command], connection=connection, serializer=JSONSerializer, origin="search")
        instance._instance = "os"
        queue.enqueue_job(instance)
    assert carried_out() == []
    assert not proof.exists()


def test_a_job_with_callbacks_is_carried_out_without_them(broker: Broker, carried_out):
    with connect(broker.url) as connection:
        queue = Queue("search", connection=connection, serializer=JSONSerializer)
        queue.enqueue("os.system", 7, 1, 20.0, on_success=Callback("no.such.module"))
    assert carried_out() == [Handing(7, 1, 20.0)]


def test_a_handing_that_cannot_be_carried_out_leaves_no_words_in_the_queue(broker: Broker, caplog):
    def fail(_: Handing) -> None:
        raise KeyError("ph-secret-uid")

    job_class = type("TestJob", (OutboxJob,), {"carry_out": staticmethod(fail)})
    with connect(broker.url) as connection:
        queue = open_queue("search", connection)
        hand_over(queue, [Handing(1, 1, 20.0)])
        SimpleWorker([queue], connection=connection, job_class=job_class, serializer=JSONSerializer).work(
            burst=True, logging_level="CRITICAL"
        )
        kept = [connection.dump(key) for key in connection.scan_iter()]
        [result] = Job.fetch("outbox-1-1", connection=connection, serializer=JSONSerializer).results()
    assert "HandingFailed: KeyError" in str(result.exc_string)
    assert "ph-secret-uid" not in f"{kept} {result.exc_string}"
    assert [record.getMessage() for record in caplog.records if record.name == "jobs.broker"] == ["outbox-1-1: could not be carried out"]
