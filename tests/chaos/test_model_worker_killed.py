"""The model worker is killed while it trains: its trainer dies with it, and the run is begun afresh, once."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from demur.manifests import Catalogue
from models import Manifest, Outbox, RunState, TrainingRun
from rights.runs import TRAIN_RUN, queue_run
from tests.support.brokers import Broker
from tests.support.workshop import Workshop, workshop

PATIENCE_S = 120


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_killed_model_worker_leaves_no_trainer_and_its_run_is_begun_afresh(
    tmp_path: Path, database_url: str, own_broker: Broker, catalogue: Catalogue
):
    with workshop(tmp_path, database_url, own_broker) as shop:
        run = queue_a_run_over_pictures(shop, catalogue)
        progress = shop.config.runs_dir / run.directory / "progress.jsonl"
        shop.start("relay")
        shop.start("model-1")
        wait_for(shop, progress.exists)
        assert len(trainers(run)) == 1

        shop.kill("model-1")
        wait_for(shop, lambda: not trainers(run))
        progress.unlink()
        shop.start("model-2")
        wait_for(shop, progress.exists)
        assert len(trainers(run)) == 1

        assert shop.stop("model-2") == 0, shop.logs()
        assert trainers(run) == []
        with shop.workplace.reading() as session:
            row = session.scalars(select(Outbox).where(Outbox.topic == TRAIN_RUN)).one()
            assert (row.done_at, row.attempts >= 2) == (None, True)
            assert session.get_one(TrainingRun, run.id).state is RunState.TRAINING


def queue_a_run_over_pictures(shop: Workshop, catalogue: Catalogue) -> TrainingRun:
    (shop.config.catalogues_dir / "pictures").symlink_to(catalogue.path)
    with shop.workplace.writing.begin() as session:
        manifest = session.get_one(Manifest, 1)
        manifest.catalogue, manifest.digest = "pictures", catalogue.digest
        return queue_run(session, "Run 1", "tests", datetime.now(UTC))


def trainers(run: TrainingRun) -> list[int]:
    """Living processes that train this run."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and run.directory.encode() in command_line(entry)]


def command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def wait_for(shop: Workshop, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, shop.logs()
        time.sleep(0.05)
