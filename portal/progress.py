"""What is under way: imports and training runs, for the pages that show it and for the script that asks again."""

from dataclasses import dataclass

from flask import Blueprint, render_template
from sqlalchemy import select

from models import Manifest, RunState, TrainingRun
from portal.database import db
from portal.site import site
from rights.imports import under_way_of_manifests

blueprint = Blueprint("progress", __name__)

STAGES = {  # what an import, then what a run says of itself
    "reading": "reading rows and looking at the pictures",
    "writing": "writing them in order",
    "indexing": "building the index by which copies are found",
    "thumbnails": "making small pictures of the photos",
    "pictures": "looking at the pictures",
    "captions": "reading the captions",
    "autoencoder": "stage 1 of 2, learning to see",
    "denoiser": "stage 2 of 2, learning to paint",
    "samples": "painting samples",
    "record": "signing the record",
}
QUEUED = "waiting for its turn"


@dataclass(frozen=True)
class Work:
    """One piece of work; ``share`` runs from 0 to 1 over all its stages, and like ``left`` (seconds) it is None while unknown."""

    what: str
    stage: str
    share: float | None
    left: float | None = None


@blueprint.get("/progress")
def fragment() -> str:
    return render_template("parts/progress.html", work=under_way())


def under_way() -> list[Work]:
    imports = db().scalars(under_way_of_manifests())
    runs = db().scalars(select(TrainingRun).where(TrainingRun.state.in_([RunState.QUEUED, RunState.TRAINING])).order_by(TrainingRun.id))
    return [_importing(manifest) for manifest in imports] + [training(run) for run in runs]


def training(run: TrainingRun) -> Work:
    """A run that is queued or in training, as its own progress file tells it."""
    told = site().runs.progress(run) if run.state is RunState.TRAINING else None
    if told is None:
        return Work(run.name, QUEUED if run.state is RunState.QUEUED else "starting", None)
    return Work(run.name, STAGES.get(told.stage, told.stage), told.share, told.eta_s)


def _importing(manifest: Manifest) -> Work:
    share = min(1.0, manifest.done / manifest.total) if manifest.total else None
    return Work(f"Manifest {manifest.name}", STAGES.get(manifest.stage, manifest.stage), share)
