"""Imports and training runs under way, read from the database and from the trainer's progress file."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import Manifest, ManifestState, RunState, TrainingRun


@dataclass(frozen=True)
class Work:
    """One bar: ``done`` of ``total`` (None: not known yet)."""

    public_id: str
    title: str
    note: str
    done: int
    total: int | None


def under_way(session: Session, runs_dir: Path) -> list[Work]:
    imports = session.scalars(select(Manifest).where(Manifest.state == ManifestState.IMPORTING).order_by(Manifest.id))
    runs = session.scalars(select(TrainingRun).where(TrainingRun.state == RunState.TRAINING).order_by(TrainingRun.id))
    return [*map(_import, imports), *(_training(run, runs_dir) for run in runs)]


def outcomes(session: Session, public_ids: Collection[str]) -> list[str]:
    """One sentence for each of these imports and runs that has ended."""
    manifests = session.scalars(select(Manifest).where(Manifest.public_id.in_(public_ids), Manifest.state == ManifestState.REGISTERED))
    ended = (RunState.RECORDED, RunState.FAILED)
    runs = session.scalars(select(TrainingRun).where(TrainingRun.public_id.in_(public_ids), TrainingRun.state.in_(ended)))
    return [*map(_registered, manifests), *map(_ended, runs)]


def _import(manifest: Manifest) -> Work:
    return Work(manifest.public_id, f"Importing {manifest.name}", manifest.stage, manifest.done, manifest.total)


def _training(run: TrainingRun, runs_dir: Path) -> Work:
    last = _last_line(runs_dir / run.directory / "progress.jsonl")
    note = f"{last['stage']}, loss {last['loss']:.3f}" if last.get("loss") is not None else str(last.get("stage", ""))
    return Work(run.public_id, f"Training {run.name}", note, int(last.get("step", 0)), last.get("steps"))


def _last_line(path: Path) -> dict[str, Any]:
    try:
        lines = path.read_text().splitlines()
        parsed: dict[str, Any] = json.loads(lines[-1])
    except (FileNotFoundError, IndexError, json.JSONDecodeError):  # not begun, or its last line is half written
        return {}
    return parsed


def _registered(manifest: Manifest) -> str:
    refused = sum(manifest.rejected.values())
    return f"Imported {manifest.name}: {manifest.rows:,} photos" + (f", {refused:,} rows refused" if refused else "")


def _ended(run: TrainingRun) -> str:
    if run.state == RunState.FAILED:
        return f"{run.name} failed: {run.failure}"
    return f"{run.name} is trained on {run.consumed_size or 0:,} photos"
