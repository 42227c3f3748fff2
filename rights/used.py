"""What a training run did, or is doing, with a photo. Pure.

A run reads its list once, when it begins. What it had to leave out is judged by that version alone: by what was in it, never by what is
in the list today. So an opt-out that ends later changes nothing about a run that obeyed it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True)
class Span:
    """Versions of the list that named something: from ``since`` on, before ``until`` (None: also the newest one)."""

    since: int
    until: int | None = None

    def holds(self, version: int) -> bool:
        return self.since <= version and (self.until is None or version < self.until)


Spans = tuple[Span, ...]


def entered_at(named: Spans) -> list[int]:
    """The versions from which on the list named it, on anybody's account."""
    return sorted(start for start in {span.since for span in named} if not any(span.holds(start - 1) for span in named))


def left_at(named: Spans) -> list[int]:
    """The versions from which on the list named it no longer, on anybody's account."""
    ends = {span.until for span in named if span.until is not None}
    return sorted(end for end in ends if not any(span.holds(end) for span in named))


class RunWord(StrEnum):
    """What is true of a photo and a finished run."""

    CONTAINS = "contains"  # it was trained on the photo, and still contains it until it is withdrawn
    ABSENT = "absent"  # it obeyed a list that named the photo, and did not use it
    UNUSED = "unused"  # it did not use the photo, though its list did not name it


class TrainingWord(StrEnum):
    """What is true of a photo and a run in training, the worst first."""

    TRAINING = "training"  # it is training on the photo
    STARTING = "starting"  # it has not read the list yet: what it leaves out is not known
    LEAVING_OUT = "leaving_out"  # it obeys a list that names the photo


class Obeying(Protocol):
    """A run, by the version of the list that it obeys: None when none was published when it began, or before it has read one."""

    @property
    def list_version(self) -> int | None: ...


class InTraining(Obeying, Protocol):
    @property
    def began_at(self) -> datetime: ...

    @property
    def has_read_list(self) -> bool: ...


def had_to_leave_out(run: Obeying, named: Spans) -> bool:
    """Whether the list that the run obeys names a photo, ``named`` in these versions."""
    return run.list_version is not None and any(span.holds(run.list_version) for span in named)


def used_or_absent(run: Obeying, named: Spans, consumed: bool) -> RunWord:
    """``consumed``: whether the run's record says that it used the photo."""
    if consumed:
        return RunWord.CONTAINS
    return RunWord.ABSENT if had_to_leave_out(run, named) else RunWord.UNUSED


def in_training(run: InTraining, named: Spans, registered: Iterable[datetime]) -> TrainingWord | None:
    """Of a photo that is in manifests registered at these times; None when the run reads none of them."""
    if all(at > run.began_at for at in registered):
        return None
    if not run.has_read_list:
        return TrainingWord.STARTING
    return TrainingWord.LEAVING_OUT if had_to_leave_out(run, named) else TrainingWord.TRAINING
