"""What a run says while it works: progress.jsonl for the portal, metrics.csv for the loss curve, and the person at the terminal."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LINE_SECONDS = 2.0
METRIC_LINES = 100
"""Most points that one stage leaves on the loss curve."""

STAGES = {"pictures": 0.02, "captions": 0.02, "autoencoder": 0.22, "denoiser": 0.71, "samples": 0.02, "record": 0.01}
"""The stages in order, and what share of a run each takes: one bar over all of them."""

LONGEST_STAGE = "denoiser"
MEASURED = 0.05
"""Of the longest stage must be done before anything is said about the time left: before, it would be guessed from other machines."""


@dataclass
class _Running:
    """A mean over the steps since the last point of the loss curve."""

    total: float = 0.0
    count: int = 0

    def add(self, loss: float) -> None:
        self.total, self.count = self.total + loss, self.count + 1

    def take(self) -> float:
        mean = self.total / self.count
        self.total, self.count = 0.0, 0
        return mean


class Reporter:
    """Writes progress for one run. Use as a context manager, then `step` as often as there are steps: lines are spaced by time."""

    def __init__(self, out: Path, terminal: TextIO = sys.stderr) -> None:
        self._started = self._stage_started = time.monotonic()
        self._last_line = -LINE_SECONDS
        self._stage = ""
        self._mean = _Running()
        self._progress = (out / "progress.jsonl").open("w", encoding="utf-8", buffering=1)
        self._metrics = (out / "metrics.csv").open("w", encoding="utf-8", buffering=1)
        self._metrics.write("stage,step,loss\n")
        self._terminal = terminal
        self._bar = _bar(terminal) if terminal.isatty() else None
        self._task: TaskID | None = None
        self.last_loss: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()
        self._progress.close()
        self._metrics.close()

    def step(self, stage: str, step: int, steps: int, loss: float | None = None) -> None:
        """Say that `step` of `steps` of a stage is done."""
        if loss is not None:
            self._record_loss(stage, step, steps, loss)
        now = time.monotonic()
        if stage != self._stage:
            self._stage_started = now
        if stage != self._stage or step == steps or now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            self._write_line(stage, step, steps, now - self._started)
        self._stage = stage

    def _record_loss(self, stage: str, step: int, steps: int, loss: float) -> None:
        self._mean.add(loss)
        if step % max(1, steps // METRIC_LINES) == 0 or step in (1, steps):
            self.last_loss[stage] = self._mean.take()
            self._metrics.write(f"{stage},{step},{self.last_loss[stage]:.6f}\n")

    def _write_line(self, stage: str, step: int, steps: int, seconds: float) -> None:
        line = {
            "stage": stage,
            "step": step,
            "steps": steps,
            "loss": round(self.last_loss[stage], 6) if stage in self.last_loss else None,
            "seconds": round(seconds, 1),
            "share": round(share_done(stage, step, steps), 4),
            "eta_seconds": seconds_left(stage, step, steps, time.monotonic() - self._stage_started),
        }
        self._progress.write(json.dumps(line) + "\n")
        self._show(stage, step, steps)

    def _show(self, stage: str, step: int, steps: int) -> None:
        loss = f"loss {self.last_loss[stage]:.4f}" if stage in self.last_loss else ""
        if self._bar is None:
            print(f"{stage} {step}/{steps} {loss}".rstrip(), file=self._terminal, flush=True)
            return
        if stage != self._stage or self._task is None:
            self._task = self._bar.add_task(stage, total=steps, loss="")
        self._bar.update(self._task, completed=step, loss=loss)


def share_done(stage: str, step: int, steps: int) -> float:
    """How much of the whole run is done, from 0 to 1, going by STAGES."""
    names = list(STAGES)
    before = sum(STAGES[name] for name in names[: names.index(stage)])
    return before + STAGES[stage] * step / max(steps, 1)


def seconds_left(stage: str, step: int, steps: int, seconds: float) -> int | None:
    """As measured in this stage, which has taken `seconds`; None before the longest stage is well under way, and after it."""
    if stage != LONGEST_STAGE or step < steps * MEASURED or step == 0:
        return None
    return round(seconds * (steps - step) / step)


def _bar(terminal: TextIO) -> Progress:
    columns = (TextColumn("{task.description:<12}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
    return Progress(*columns, TextColumn("{task.fields[loss]}"), TimeRemainingColumn(), console=Console(file=terminal))
