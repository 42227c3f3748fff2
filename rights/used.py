"""What a training run did, or is doing, with a photo. Pure.

A run reads its list once, when it begins. So runs and opt-outs are put in order by the run's start: by the version of the list that was the
newest then, never by its end.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class RunWord(StrEnum):
    """What is true of a photo and a finished run."""

    CONTAINS = "contains"  # it was trained on the photo, and still contains it until it is withdrawn
    ABSENT = "absent"  # it obeyed a list that excluded the photo, and did not use it
    UNUSED = "unused"  # it did not use the photo, though its list did not exclude it


class Obeying(Protocol):
    """A run, by the version of the list that it obeys: None when none was published when it began."""

    @property
    def list_version(self) -> int | None: ...


def had_to_leave_out(run: Obeying, since: int | None) -> bool:
    """Whether the list that the run obeys names what is excluded ``since`` that version without a break (None: it is not)."""
    return since is not None and run.list_version is not None and run.list_version >= since


def used_or_absent(run: Obeying, since: int | None, consumed: bool) -> RunWord:
    """``consumed``: whether the run's record says that it used the photo."""
    if consumed:
        return RunWord.CONTAINS
    return RunWord.ABSENT if had_to_leave_out(run, since) else RunWord.UNUSED


def trains_on(run: Obeying, began: datetime, since: int | None, registered: Iterable[datetime]) -> bool:
    """Whether a run in training uses a photo that is in manifests registered at these times."""
    return not had_to_leave_out(run, since) and any(at <= began for at in registered)
