"""The files of training runs: what a run's directory holds, opened once a process."""

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demur.runs import ConsumedTree
from models import TrainingRun

RECORD_FILE = "run-record.dsse.json"
CONSUMED_FILE = "consumed.bin"
LIST_FILE = "list-read.json"
LAST_BYTES = 1 << 16  # of progress.jsonl: hundreds of lines


@dataclass(frozen=True)
class Sample:
    """A picture that a finished run drew, and the prompt it was given."""

    number: int
    prompt: str
    path: Path


@dataclass(frozen=True)
class LossPoint:
    """One line of a run's metrics.csv."""

    stage: str
    step: int
    loss: float


@dataclass(frozen=True)
class RunProgress:
    """The last sign of life of a run in training. ``steps`` are those of the stage, ``share`` is of the whole run (0 to 1);
    ``eta_s`` is None while it is not measured."""

    stage: str
    step: int
    steps: int
    loss: float | None
    seconds: float
    share: float | None
    eta_s: float | None


@dataclass(frozen=True)
class ListRead:
    """Which list a run in training obeys, as it says; both None when none was published."""

    version: int | None
    root: str | None


class RunArtefacts:
    """Reads run directories inside ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._trees: dict[str, ConsumedTree] = {}

    def path(self, run: TrainingRun) -> Path:
        return self.directory / run.directory

    def record(self, run: TrainingRun) -> bytes:
        """The signed run record, as received."""
        return (self.path(run) / RECORD_FILE).read_bytes()

    def consumed_tree(self, run: TrainingRun) -> ConsumedTree:
        """The consumed samples of a recorded run. Such a file never changes. Raises BadConsumedFile, OSError."""
        tree = self._trees.get(run.directory)
        if tree is None:
            tree = self._trees[run.directory] = ConsumedTree.open(self.path(run) / CONSUMED_FILE)
        return tree

    def consumed(self, run: TrainingRun, uids: Sequence[str]) -> NDArray[np.bool_]:
        """Which of these samples a recorded run consumed. (n,) bool."""
        if not uids:
            return np.zeros(0, dtype=np.bool_)
        return self.consumed_tree(run).find(uids) >= 0

    def samples(self, run: TrainingRun) -> list[Sample]:
        """The pictures the run drew; none while it has not."""
        index = self.path(run) / "samples" / "samples.json"
        if not run.directory or not index.exists():
            return []
        entries = json.loads(index.read_text())
        return [Sample(number, entry["prompt"], index.parent / entry["file"]) for number, entry in enumerate(entries)]

    def losses(self, run: TrainingRun) -> list[LossPoint]:
        """The loss curve so far."""
        file = self.path(run) / "metrics.csv"
        if not run.directory or not file.exists():
            return []
        with file.open(newline="") as lines:
            return [LossPoint(row["stage"], int(row["step"]), float(row["loss"])) for row in csv.DictReader(lines)]

    def list_read(self, run: TrainingRun) -> ListRead | None:
        """Which list a run in training has read; None before it has."""
        file = self.path(run) / LIST_FILE
        if not run.directory or not file.exists():
            return None
        fields = json.loads(file.read_text())
        return ListRead(fields["version"], fields["root"])

    def progress(self, run: TrainingRun) -> RunProgress | None:
        """How far a run in training is; None before its first sign of life."""
        file = self.path(run) / "progress.jsonl"
        if not run.directory or not file.exists():
            return None
        whole = [line for line in _end_of(file).splitlines(keepends=True) if line.endswith("\n")]
        return parse_progress(whole[-1]) if whole else None


def _end_of(file: Path) -> str:
    """The last lines of a file that grows with each step, the first of them perhaps not whole."""
    with file.open("rb") as opened:
        opened.seek(max(0, opened.seek(0, os.SEEK_END) - LAST_BYTES))
        return opened.read().decode(errors="replace")


def parse_progress(line: str) -> RunProgress:
    """One line of progress.jsonl."""
    fields = json.loads(line)
    return RunProgress(
        stage=fields["stage"],
        step=int(fields["step"]),
        steps=int(fields["steps"]),
        loss=fields.get("loss"),
        seconds=float(fields["seconds"]),
        share=fields.get("share"),
        eta_s=fields.get("eta_seconds"),
    )
