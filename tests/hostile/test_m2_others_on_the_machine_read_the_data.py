"""Security finding M2: the database, logs and catalogues could be read by every user of the machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.portals import free_port
from tests.support.waiting import wait_until

ENTRY_POINTS = {
    "the web part, as gunicorn imports it": [sys.executable, "-c", "import app; app.app"],
    "a command": [sys.executable, "-m", "flask", "--app", "app", "keys", "make"],
    "migrations": [sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"],
}


def settings(directory: Path) -> dict[str, str]:
    return {**os.environ, "DEMUR_DATA_DIR": str(directory), "DEMUR_OIDC_ISSUER": "http://127.0.0.1:9"}


def run(directory: Path, command: Sequence[str]) -> str:
    return subprocess.run(command, env=settings(directory), umask=0o022, capture_output=True, text=True, check=True, timeout=60).stderr


def open_to_others(directory: Path) -> list[str]:
    found = [directory, *directory.rglob("*")]
    return [str(path) for path in found if not path.is_symlink() and path.stat().st_mode & 0o077]


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_a_new_data_directory_is_for_its_own_user_alone(tmp_path: Path, entry: str):
    run(tmp_path / "data", ENTRY_POINTS[entry])
    assert (tmp_path / "data").exists()
    assert open_to_others(tmp_path / "data") == []


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_a_data_directory_that_was_open_is_closed_and_the_operator_is_told(tmp_path: Path, entry: str):
    directory = tmp_path / "data"
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    said = run(directory, ENTRY_POINTS[entry])
    assert directory.stat().st_mode & 0o777 == 0o700
    assert f"Other users of this machine could read the data directory {directory} (mode 755)" in said


def test_jobs_and_the_demonstrations_provider_close_it_too(tmp_path: Path):
    for command in (["-m", "jobs", "worker", "notices"], ["-m", "demo.provider"]):
        directory = tmp_path / command[1]
        directory.mkdir()
        directory.chmod(0o755)
        environment = settings(directory) | {"DEMUR_OIDC_ISSUER": f"http://127.0.0.1:{free_port()}"}
        process = subprocess.Popen(
            [sys.executable, *command], env=environment, umask=0o022, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            wait_until("the directory is closed", lambda directory=directory: directory.stat().st_mode & 0o777 == 0o700)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def test_a_group_that_was_given_on_purpose_keeps_the_directory(tmp_path: Path):
    directory = tmp_path / "data"
    directory.mkdir()
    directory.chmod(0o2775)
    run(directory, ENTRY_POINTS["migrations"])
    assert directory.stat().st_mode & 0o7777 == 0o2770
    assert (directory / "demur.sqlite3").stat().st_mode & 0o777 == 0o640
