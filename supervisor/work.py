"""Imports and training runs under way, read from the database and from the trainer's progress file."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import FailureReason, Manifest, ManifestState, RunState, TrainingRun
from rights.artefacts import RunArtefacts
from rights.imports import under_way_of_manifests
from rights.runs import FAILURES
from supervisor.terminal import Work


def under_way(session: Session, artefacts: RunArtefacts) -> list[Work]:
    imports = session.scalars(under_way_of_manifests())
    runs = session.scalars(select(TrainingRun).where(TrainingRun.state == RunState.TRAINING).order_by(TrainingRun.id))
    return [*map(_import, imports), *(_training(run, artefacts) for run in runs)]


def outcomes(session: Session, public_ids: Collection[str]) -> list[str]:
    """One sentence for each of these imports and runs that has ended."""
    manifests = session.scalars(select(Manifest).where(Manifest.public_id.in_(public_ids), Manifest.state == ManifestState.REGISTERED))
    ended = (RunState.RECORDED, RunState.FAILED)
    runs = session.scalars(select(TrainingRun).where(TrainingRun.public_id.in_(public_ids), TrainingRun.state.in_(ended)))
    return [*map(_registered, manifests), *map(_ended, runs)]


def _import(manifest: Manifest) -> Work:
    if manifest.state is ManifestState.REGISTERED:
        return Work(f"{manifest.public_id}-{manifest.stage}", f"Thumbnails of {manifest.name}", "", manifest.done, manifest.total)
    return Work(manifest.public_id, f"Importing {manifest.name}", manifest.stage, manifest.done, manifest.total)


def _training(run: TrainingRun, artefacts: RunArtefacts) -> Work:
    told = artefacts.progress(run)
    if told is None:
        return Work(run.public_id, f"Training {run.name}", "starting", 0, None)
    note = told.stage if told.loss is None else f"{told.stage}, loss {told.loss:.3f}"
    done = None if told.share is None else round(100 * told.share)
    return Work(run.public_id, f"Training {run.name}", note, done or 0, None if done is None else 100)


def _registered(manifest: Manifest) -> str:
    refused = sum(manifest.rejected.values())
    return f"Imported {manifest.name}: {manifest.rows:,} photos" + (f", {refused:,} rows refused" if refused else "")


def _ended(run: TrainingRun) -> str:
    if run.state == RunState.FAILED:
        return f"{run.name} failed. {FAILURES[run.failure_reason or FailureReason.FAILED]}"
    return f"{run.name} is trained on {run.consumed_size or 0:,} photos"
