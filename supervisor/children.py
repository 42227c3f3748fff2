"""A supervised child process: started, started again with growing pauses when it dies, and ended with all it started."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from supervisor import sessions
from supervisor.orphans import OrphanWatch

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0  # a child that ran this long starts again with the first pause
GRACE_S = 10.0
LOG_BYTES = 20_000_000  # of each child, and as much of its log before


@dataclass(frozen=True)
class Part:
    """What to run. ``once``: it ends by itself, is not started again when it succeeded, and what it prints is for the terminal."""

    name: str
    command: Sequence[str]
    once: bool = False


@dataclass(frozen=True)
class Death:
    """A child ended although it was to run on."""

    name: str
    exit_code: int
    pause_s: float
    log: Path

    def __str__(self) -> str:
        return f"{self.name} ended ({_in_words(self.exit_code)}); starting it again in {self.pause_s:.1f} s. See {self.log}"


class Child:
    """One part and, while it runs, its process. Its output goes to ``<logs>/<name>.log``."""

    def __init__(self, part: Part, logs: Path, orphans: OrphanWatch) -> None:
        self.part = part
        self.log = logs / f"{part.name}.log"
        self._orphans = orphans
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_at: float | None = None  # when to start again
        self._pause_s = FIRST_PAUSE_S
        self._heard = self.log.stat().st_size if self.log.exists() else 0  # bytes of the log that were passed on

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def news(self) -> list[str]:
        """Whole lines that a ``once`` part has printed since the last call."""
        if not self.part.once or not self.log.exists():
            return []
        with self.log.open("rb") as log:
            log.seek(self._heard)
            whole, end, _ = log.read().rpartition(b"\n")
        self._heard += len(whole + end)
        return whole.decode(errors="replace").splitlines()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._orphans.add(self._process.pid)
        self._started_at = time.monotonic()
        self._start_at = None

    def tend(self) -> Death | None:
        """Looks after the child; call it often. Starts it again when its pause is over; tells once of each death."""
        self._rotate()
        if self._process is None:
            if self._start_at is not None and time.monotonic() >= self._start_at:
                self.start()
            return None
        exit_code = self._process.poll()
        return None if exit_code is None else self._bury(exit_code)

    def end(self, grace_s: float = GRACE_S) -> None:
        """Ends the child and whatever it started, and does not start it again."""
        self._start_at = None
        if self._process is not None:
            self._clear(grace_s)

    def _rotate(self) -> None:
        """Beyond `LOG_BYTES` the log begins again, and the one before is beside it. The child appends, so it goes on at the beginning."""
        if self.part.once or not self.log.exists() or self.log.stat().st_size <= LOG_BYTES:
            return
        with suppress(OSError):  # a full disk keeps no old log
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
        os.truncate(self.log, 0)

    def _bury(self, exit_code: int) -> Death | None:
        steady = time.monotonic() - self._started_at >= STEADY_AFTER_S
        self._clear(grace_s=GRACE_S)
        if self.part.once and exit_code == 0:
            return None
        pause = FIRST_PAUSE_S if steady else self._pause_s
        self._pause_s = min(pause * 2, LONGEST_PAUSE_S)
        self._start_at = time.monotonic() + pause
        return Death(self.part.name, exit_code, pause, self.log)

    def _clear(self, grace_s: float) -> None:
        assert self._process is not None
        session = self._process.pid
        sessions.end([session], grace_s)
        self._process.wait()
        self._orphans.remove(session)
        self._process = None


def _in_words(exit_code: int) -> str:
    return f"exit code {exit_code}" if exit_code >= 0 else f"signal {-exit_code}"
