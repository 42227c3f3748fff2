"""A whole portal with its platform in a scratch data directory: what the journey walks through."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import requests

from config import Config
from demo.settings import Demonstration
from supervisor import sessions
from supervisor.orphans import OrphanWatch
from supervisor.private import keep_private

START_S = 60
END_S = 40
LOOK_EVERY_S = 0.05


Value = TypeVar("Value")


class StageFailed(Exception):
    """A process did not come up, a command failed, or something awaited never happened."""


@dataclass(frozen=True)
class Stage:
    """A running portal with real broker, workers and provider."""

    config: Config

    def flask(self, *arguments: str) -> dict[str, Any]:
        """Runs one of the operator's commands and returns what it prints as JSON. Raises StageFailed."""
        facts: dict[str, Any] = json.loads(command(sys.executable, "-m", "flask", "--app", "app", *arguments, "--json"))
        return facts


@contextmanager
def set_up(tier: str) -> Iterator[Stage]:
    """Starts `python app.py` and the provider as processes; ends them and removes everything afterwards. Raises StageFailed."""
    with ExitStack() as undo:
        directory = Path(tempfile.mkdtemp(prefix="demur-journey-"))
        undo.callback(shutil.rmtree, directory)
        os.environ.update({"DEMUR_DATA_DIR": str(directory / "data"), "DEMUR_BASE_URL": free_address(), "DEMUR_TRAIN_TIER": tier})
        os.environ.update(Demonstration.of(Config.from_env()).settings)
        config = Config.from_env()
        keep_private(config.data_dir)
        said = undo.enter_context((directory / "said.log").open("w+b"))
        orphans = OrphanWatch(said)
        undo.callback(orphans.close)
        provider = undo.enter_context(_running([sys.executable, "-m", "demo.provider"], said, orphans))
        portal = undo.enter_context(_running([sys.executable, "app.py"], said, orphans))
        for process, url in ((provider, f"{config.oidc_issuer}/healthz"), (portal, f"{config.base_url}/healthz")):
            _wait_for_answer(process, url, said)
        yield Stage(config)


def until(what: str, look: Callable[[], Value | None], timeout_s: float) -> Value:
    """Looks until there is something to see. Raises StageFailed after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (seen := look()) is not None:
            return seen
        time.sleep(LOOK_EVERY_S)
    raise StageFailed(f"{what} did not happen within {timeout_s:.0f} seconds")


def command(*arguments: str) -> str:
    """What a command prints on its standard output. Raises StageFailed."""
    ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise StageFailed(f"{' '.join(arguments[1:])} failed: {ended.stderr.strip().splitlines()[-1:]}")
    return ended.stdout


@contextmanager
def _running(arguments: Sequence[str], said: IO[bytes], orphans: OrphanWatch) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
    orphans.add(process.pid)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        finally:
            sessions.end([process.pid], 0)
            process.wait()
            orphans.remove(process.pid)


def _wait_for_answer(process: subprocess.Popen[bytes], url: str, said: IO[bytes]) -> None:
    def look() -> bool | None:
        if process.poll() is not None:
            said.seek(0)
            raise StageFailed(said.read().decode(errors="replace"))
        try:
            return requests.get(url, timeout=1).ok or None
        except requests.RequestException:
            return None

    until(f"an answer from {url}", look, START_S)


def free_address() -> str:
    """A base URL whose port and the next one, the provider's, are free."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return f"http://127.0.0.1:{port}"
