"""Ending processes together with everything they started.

Each child leads a session of its own (setsid), so that Ctrl-C in the terminal reaches the supervisor alone and the supervisor
decides the order. Whatever a child starts stays in its session, even after a setpgrp, and is found by the session's id.
"""

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_STEP_S = 0.02
_KILL_TAKES_S = 5.0  # at most: the kernel ends a killed process when it next runs


def members(sessions: Collection[int]) -> list[int]:
    """The living processes of these sessions."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if _session_of(pid) in sessions and not _is_zombie(pid)]


def end(sessions: Collection[int], grace_s: float) -> None:
    """SIGTERM to every process of these sessions, SIGKILL to those that are still there after the grace. Returns when all are gone."""
    for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _KILL_TAKES_S)):
        _signal_all(sessions, number)
        deadline = time.monotonic() + patience_s
        while members(sessions) and time.monotonic() < deadline:
            time.sleep(_STEP_S)


def _signal_all(sessions: Collection[int], number: signal.Signals) -> None:
    for pid in members(sessions):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
