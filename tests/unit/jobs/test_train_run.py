"""The model worker's job, with the real trainer in its own process."""

import time
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import select

from demur.signing import SigningKey
from jobs.broker import Handing
from jobs.performing import Performer
from jobs.workplace import Workplace, now
from models import AuditEvent, FailureReason, Manifest, Outbox, RunState, TrainingRun
from rights.artefacts import RECORD_FILE
from rights.runs import queue_run
from tests.unit.rights.records import write_record


def queued(workplace: Workplace) -> TrainingRun:
    with workplace.writing.begin() as session:
        run = queue_run(session, "Run 1", "tests", now())
        session.get_one(Outbox, 1).attempts = 1
    return run


def after(workplace: Workplace, run: TrainingRun) -> tuple[TrainingRun, Outbox]:
    with workplace.reading() as session:
        return session.get_one(TrainingRun, run.id), session.get_one(Outbox, 1)


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_interrupted_run_is_given_back_and_begun_afresh(workplace: Workplace):
    run = queued(workplace)
    folder = workplace.runs.path(run)
    for _ in range(2):
        left_over = folder / "left-over"
        train_until_under_way(workplace, folder)
        assert not left_over.exists()
        left_over.touch()
        interrupted, row = after(workplace, run)
        assert (interrupted.state, row.done_at) == (RunState.TRAINING, None)
        assert row.available_at <= now()
        assert not (folder / RECORD_FILE).exists()
        (folder / "progress.jsonl").unlink()


def train_until_under_way(workplace: Workplace, folder: Path) -> None:
    stopping = Event()
    worker = Thread(target=Performer(workplace, stopping).carry_out, args=[Handing(1, 1, 20)])
    worker.start()
    wait_for(folder / "progress.jsonl")
    stopping.set()
    worker.join(20)
    assert not worker.is_alive()


def test_a_run_that_was_finished_before_its_worker_died_is_recorded_without_training_again(workplace: Workplace):
    run = queued(workplace)
    folder = workplace.runs.path(run)
    signer = SigningKey.load(workplace.config.keys_dir / "run-signer.pem")
    envelope, _ = write_record(folder, ["ada-0"], signer=signer)
    (folder / RECORD_FILE).write_bytes(envelope)
    Performer(workplace, Event()).carry_out(Handing(1, 1, 20))
    recorded, row = after(workplace, run)
    assert (recorded.state, recorded.consumed_size, recorded.failure_reason) == (RunState.RECORDED, 1, None)
    assert row.done_at is not None


def test_a_record_that_is_refused_fails_the_run(workplace: Workplace):
    run = queued(workplace)
    folder = workplace.runs.path(run)
    envelope, _ = write_record(folder, ["ada-0"])  # signed by somebody else
    (folder / RECORD_FILE).write_bytes(envelope)
    Performer(workplace, Event()).carry_out(Handing(1, 1, 20))
    failed, row = after(workplace, run)
    assert failed.state is RunState.FAILED
    assert failed.failure_reason is FailureReason.RECORD_REFUSED
    assert row.done_at is not None


def test_a_run_without_any_manifest_fails(workplace: Workplace):
    with workplace.writing.begin() as session:
        session.delete(session.get_one(Manifest, 1))
    run = queued(workplace)
    Performer(workplace, Event()).carry_out(Handing(1, 1, 20))
    failed, row = after(workplace, run)
    assert (failed.state, failed.failure_reason) == (RunState.FAILED, FailureReason.NO_MANIFEST)
    assert row.done_at is not None


def test_a_run_of_which_a_catalogue_is_gone_fails(workplace: Workplace):
    with workplace.writing.begin() as session:
        session.get_one(Manifest, 1).catalogue = "gone"
    run = queued(workplace)
    Performer(workplace, Event()).carry_out(Handing(1, 1, 20))
    failed, row = after(workplace, run)
    assert (failed.state, failed.failure_reason) == (RunState.FAILED, FailureReason.REFUSED)
    assert row.done_at is not None


def test_what_the_trainer_says_is_for_the_operator_alone(workplace: Workplace):
    (workplace.config.runs_dir).mkdir()
    (workplace.config.runs_dir / "list-state.json").write_text("{}")
    run = queued(workplace)
    Performer(workplace, Event()).carry_out(Handing(1, 1, 20))
    failed, _ = after(workplace, run)
    assert failed.state is RunState.FAILED
    assert failed.failure_reason is FailureReason.REFUSED
    [log] = (workplace.config.data_dir / "logs").glob("trainer-*.log")
    assert "remembers a published list" in log.read_text()
    with workplace.reading() as session:
        noted = session.scalars(select(AuditEvent).where(AuditEvent.action == "run.failed")).one()
    assert noted.detail == {"reason": "refused"}


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert path.exists()
