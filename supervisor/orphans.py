"""Sees to it that nothing outlives the supervisor, not even when it is killed with -9: `python -m supervisor.orphans`.

It reads lines from a pipe whose only writer is the supervisor: ``+ID`` for a child's session, ``-ID`` when that child is gone.
The end of the pipe is the end of the supervisor, however that came; what is still on the list is then ended, the first child
(the broker) last.
"""

import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import IO

from supervisor import sessions

_GRACE_S = 10.0


class OrphanWatch:
    """The supervisor's end of the pipe. The other end keeps ``lock`` open as long as it has something to end, and with it the lock."""

    def __init__(self, lock: IO[str] | IO[bytes]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.orphans"],
            stdin=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )

    def add(self, session: int) -> None:
        self._tell(f"+{session}")

    def remove(self, session: int) -> None:
        self._tell(f"-{session}")

    def close(self) -> None:
        """Lets it go, after every child has been removed."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.stdin:
            self._process.stdin.write(line + "\n")


def watch(lines: Iterable[str]) -> None:
    """Follows the list until the lines end, then ends what is left on it."""
    living: dict[int, None] = {}  # in the order of their start
    for line in lines:
        if line.startswith("+"):
            living[int(line[1:])] = None
        else:
            living.pop(int(line[1:]), None)
    first, *rest = living or [0]
    sessions.end(rest, _GRACE_S)
    if living:
        sessions.end([first], _GRACE_S)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watch(sys.stdin)
