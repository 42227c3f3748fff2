"""Security finding M2: the database, logs and catalogues could be read by every user of the machine."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from config import Config
from models.engine import writing
from portal import create_app
from supervisor.private import keep_private
from tests.support.portals import free_port
from tests.support.waiting import wait_until

ENTRY_POINTS = {
    "the web part, as gunicorn imports it": [sys.executable, "-c", "import app; app.app"],
    "a command": [sys.executable, "-m", "flask", "--app", "app", "keys", "make"],
    "migrations": [sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"],
}


NOBODY = 65534


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
    assert (directory / "demur.sqlite3").stat().st_mode & 0o777 == 0o660


def visit(directory: str) -> str:
    """The web part as a user who shares no more than the group: what it can show, write and read. Starts as root."""
    with tempfile.TemporaryDirectory() as elsewhere:  # whatever is imported late comes in while this is root yet
        prepared(Path(elsewhere))
        served(Path(elsewhere))
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    return json.dumps(served(Path(directory)))


def prepared(directory: Path) -> None:
    for command in ("the web part, as gunicorn imports it", "migrations", "a command"):
        run(directory, ENTRY_POINTS[command])


def served(directory: Path) -> dict[str, object]:
    config = Config(data_dir=directory, oidc_issuer="http://127.0.0.1:9")
    keep_private(directory)
    app = create_app(config)
    pages = {path: app.test_client().get(path, base_url=config.base_url).status_code for path in ("/healthz", "/verify", "/log/checkpoint")}
    with writing(app.extensions["demur"].engine).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE written (by_whom TEXT)")
    keys = directory / "keys"
    return {
        "pages": pages,
        "readable": sorted(path.name for path in keys.rglob("*") if path.is_file() and os.access(path, os.R_OK)),
        "writable": sorted(path.name for path in (keys, *keys.rglob("*")) if os.access(path, os.W_OK)),
    }


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("when", ["before anything is made", "afterwards"])
def test_the_web_part_can_be_another_user_who_reads_no_private_key(when: str):
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        directory = Path(place) / "data"
        directory.mkdir()
        if when == "afterwards":
            prepared(directory)
        for path in (directory, *directory.rglob("*")):
            os.chown(path, -1, NOBODY)
        directory.chmod(0o2770)
        if when == "afterwards":
            for path in directory.glob("demur.sqlite3*"):
                path.chmod(0o660)
        prepared(directory)
        visiting = [sys.executable, "-c", f"import sys, {__name__} as it; print(it.visit(sys.argv[1]))", str(directory)]
        told = json.loads(subprocess.run(visiting, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()[-1])
        assert told["readable"] == ["list.vkey", "log.vkey", "run-signer.vkey", "web.secret"]
        assert told["writable"] == []
        assert told["pages"]["/verify"] == told["pages"]["/healthz"] == 200
