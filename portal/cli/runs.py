"""``flask runs``: training runs. (``flask run`` is Flask's own development server.)"""

from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from demur.files import read_file
from demur.runs.record import MOST_BYTES
from models import TrainingRun
from portal.cli.output import json_option, plainly, show, show_rows
from portal.site import now, site
from rights.artefacts import CONSUMED_FILE, RECORD_FILE
from rights.runs import queue_run, record_run


@click.group("runs")
def runs() -> None:
    """Training runs of the bundled model and of others."""


@runs.command()
@click.argument("name")
@click.option("--tier", type=click.Choice(["tests", "cpu", "gpu"]), help="How much to train. Default: DEMUR_TRAIN_TIER.")
@json_option
@with_appcontext
@plainly
def start(name: str, tier: str | None, as_json: bool) -> None:
    """Queue a run of the bundled model over all registered manifests; the model worker does it."""
    with site().writing.begin() as session:
        run = queue_run(session, name, tier or site().config.train_tier, now())
    show(_facts(run), as_json)


@runs.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
@with_appcontext
@plainly
def record(directory: Path, as_json: bool) -> None:
    """Verify and record a run trained elsewhere: DIRECTORY holds its run-record.dsse.json and consumed.bin."""
    envelope = read_file(directory / RECORD_FILE, MOST_BYTES)
    keys = site().keys.run_signers()
    with site().writing.begin() as session:
        run = record_run(session, site().runs, envelope, directory / CONSUMED_FILE, keys=keys, now=now())
    show(_facts(run), as_json)


@runs.command("list")
@json_option
@with_appcontext
def list_runs(as_json: bool) -> None:
    """List runs, oldest first."""
    with site().reading.begin() as session:
        rows = session.scalars(select(TrainingRun).order_by(TrainingRun.id)).all()
    show_rows([_facts(run) for run in rows], as_json)


def _facts(run: TrainingRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "state": run.state.value,
        "tier": run.tier,
        "list_version": run.list_version,
        "consumed": run.consumed_size,
        "finished_at": run.finished_at,
        "id": run.public_id,
        "failure": run.failure_reason.value if run.failure_reason else None,
    }
