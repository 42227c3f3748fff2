"""Runs an attack in a process of its own, and says what it cost there: seconds, processor seconds and the peak of its memory.

    measured = run_measured(open_bundle, str(path))          # a module's function, in a fresh interpreter, with JSON arguments
    measured = run_measured(["-m", "demur", "verify", …])    # a command, as arguments to this Python
    measured.refuse_costly()

Other work on the machine stretches the wall clock, so `refuse_costly` holds the processor's seconds against the limit, and the wall
clock against a far wider one.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
MOST_MB, MOST_SECONDS, LONGEST_WAIT_S = 600, 5.0, 60.0

_RUNNER = """
import importlib, json, runpy, sys, time
report, kind, *rest = sys.argv[1:]
from tests.hostile.measuring import peak_mb_of
if kind == "call":
    name, arguments = rest
    module, _, function = name.partition(":")
    call = getattr(importlib.import_module(module), function)
began, spent = time.monotonic(), time.process_time()
code = 0
try:
    if kind == "call":
        answer = call(*json.loads(arguments))
        if answer is not None:
            print(answer)
    else:
        sys.argv = rest[1:] if rest[0] == "-m" else rest
        if rest[0] == "-m":
            runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(rest[0], run_name="__main__")
except SystemExit as ended:
    code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
finally:
    sys.stdout.flush()
    told = [time.monotonic() - began, time.process_time() - spent, peak_mb_of("self")]
    with open(report, "w") as file:
        json.dump(told, file)
sys.exit(code)
"""


@dataclass(frozen=True)
class Measured:
    """``seconds`` by the wall clock, ``cpu_seconds`` of all its threads, ``peak_mb``: the most memory that it held, in MB of 10**6 bytes.

    Of a function they are without the interpreter's start and the imports of its module, of a command with all but the start.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    code: int
    output: str

    def refuse_costly(self, most_mb: float = MOST_MB, most_seconds: float = MOST_SECONDS) -> None:
        """Raises AssertionError when the attack took more than the limits."""
        assert self.peak_mb <= most_mb, f"{self.peak_mb:.0f} MB, more than {most_mb:.0f}\n{self.output}"
        assert self.cpu_seconds <= most_seconds, f"{self.cpu_seconds:.1f} processor seconds, more than {most_seconds}\n{self.output}"
        assert self.seconds <= LONGEST_WAIT_S, f"{self.seconds:.1f} s, more than {LONGEST_WAIT_S}\n{self.output}"


def run_measured(what: Callable[..., Any] | Sequence[str], *arguments: Any, limit_s: float = 120) -> Measured:
    """Runs a module's function or a command of this Python. A process that was killed counts as one that took all there was.

    Raises subprocess.TimeoutExpired after ``limit_s``, having killed the process.
    """
    asked = ["call", f"{what.__module__}:{what.__qualname__}", json.dumps(arguments)] if callable(what) else ["command", *what]
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-c", _RUNNER, str(report), *asked],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
            check=False,
        )
        output = ended.stdout.decode(errors="replace")
        if not report.exists():
            return Measured(time.monotonic() - began, float("inf"), float("inf"), ended.returncode, output)
        seconds, cpu_seconds, peak_mb = json.loads(report.read_text())
    return Measured(seconds, cpu_seconds, peak_mb, ended.returncode, output)


def peak_mb_of(pid: int | str) -> float:
    """The most memory that a running process ever held (VmHWM), such as a server's; in MB of 10**6 bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def cpu_seconds_of(pid: int) -> float:
    """The processor seconds that a running process took so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
