"""Training runs: what each one read, left out and learned, with its signed record to download."""

from itertools import count

from flask import Blueprint, Response, redirect, render_template, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required
from sqlalchemy import select
from werkzeug.exceptions import NotFound

from models import RunState, TrainingRun
from portal.charts import loss_curves
from portal.database import db
from portal.progress import training, under_way
from portal.site import now, site
from rights.receipts import entry_of_run
from rights.runs import queue_run

UNFINISHED = frozenset({RunState.QUEUED, RunState.TRAINING})
LASTS = {"tests": "a minute or two", "cpu": "half an hour or more on two cores", "gpu": "half an hour or more on a GPU"}  # by tier
blueprint = Blueprint("runs", __name__)


@blueprint.get("/runs")
def index() -> str:
    runs = db().scalars(select(TrainingRun).order_by(TrainingRun.id.desc())).all()
    samples = {run.public_id: site().runs.samples(run)[:4] for run in runs}
    return render_template("runs/index.html", runs=runs, samples=samples, work=under_way(), lasts=LASTS[site().config.train_tier])


@blueprint.post("/runs")
@login_required
def start() -> ResponseReturnValue:
    """Queues the next run. In the demonstration only, where whoever looks is the operator too."""
    if not site().config.demo:
        raise NotFound
    names = set(db().scalars(select(TrainingRun.name)))
    name = next(name for number in count(1) if (name := f"Run {number}") not in names)
    run = queue_run(db(), name, site().config.train_tier, now())
    return redirect(url_for("runs.one", public_id=run.public_id), 303)


@blueprint.get("/runs/<public_id>")
def one(public_id: str) -> str:
    run = find_run(public_id)
    return render_template(
        "runs/one.html",
        run=run,
        samples=site().runs.samples(run),
        signers=site().keys.run_signers(),
        receipt=entry_of_run(db(), run),
        curves=loss_curves(site().runs.losses(run)),
        work=[training(run)] if run.state in UNFINISHED else [],
    )


@blueprint.get("/runs/<public_id>/record.json")
def record(public_id: str) -> ResponseReturnValue:
    run = find_run(public_id)
    if run.state is not RunState.RECORDED:
        raise NotFound
    headers = {"Content-Disposition": f'attachment; filename="run-record-{run.public_id}.dsse.json"'}
    return Response(site().runs.record(run), mimetype="application/json", headers=headers)


@blueprint.get("/runs/<public_id>/samples/<int:number>.png")
def sample(public_id: str, number: int) -> ResponseReturnValue:
    run = find_run(public_id)
    path = next((sample.path for sample in site().runs.samples(run) if sample.number == number), None)
    if path is None or not path.exists():
        raise NotFound
    return send_file(path.resolve(), mimetype="image/png", conditional=True, max_age=3600)


def find_run(public_id: str) -> TrainingRun:
    """The run of an address. Raises NotFound."""
    run = db().scalar(select(TrainingRun).where(TrainingRun.public_id == public_id))
    if run is None:
        raise NotFound
    return run
