"""The supervisor's children: restarted when they die, ended with all they started, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import Config
from demur.signing import SigningKey, VerifyKey
from rights.signing_keys import make_keys
from supervisor import sessions
from supervisor.broker import SOCKET_NAME, BrokerSocketTooLong, broker_command
from supervisor.checks import AlreadyRunning, DataDirUnwritable, PortInUse, hold, require_free
from supervisor.children import LOG_BYTES, Child, Part
from supervisor.orphans import OrphanWatch
from tests.support.waiting import wait_until

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); time.sleep(600)"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def orphans(tmp_path: Path) -> Iterator[OrphanWatch]:
    with hold(tmp_path / "data") as lock:
        watch = OrphanWatch(lock)
        yield watch
        watch.close()


def test_a_child_that_dies_is_started_again_after_a_pause(tmp_path: Path, orphans: OrphanWatch) -> None:
    child = Child(Part("worker", python("import time; time.sleep(600)")), tmp_path, orphans)
    child.start()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    said = []
    wait_until("its death is told", lambda: said.append(child.tend()) or any(said))
    assert "worker ended (signal 9); starting it again in 0.5 s" in str(next(filter(None, said)))
    wait_until("it runs again", lambda: (child.tend(), child.pid)[1])
    assert child.pid != first
    child.end(grace_s=5)


def test_pauses_grow_while_a_child_keeps_dying(tmp_path: Path, orphans: OrphanWatch) -> None:
    child = Child(Part("worker", python("raise SystemExit(3)")), tmp_path, orphans)
    child.start()
    deaths = []
    wait_until("three deaths", lambda: ((death := child.tend()) and deaths.append(death)) or len(deaths) == 3)
    assert [death.pause_s for death in deaths] == [0.5, 1.0, 2.0]
    assert {death.exit_code for death in deaths} == {3}
    child.end()


def test_a_part_that_runs_once_is_left_alone_when_it_succeeded_and_its_lines_are_news(tmp_path: Path, orphans: OrphanWatch) -> None:
    child = Child(Part("seed", python("print('one'); print('two')"), once=True), tmp_path, orphans)
    child.start()
    wait_until("it is over", lambda: child.tend() is None and child.pid is None)
    assert child.news() == ["one", "two"]
    assert child.news() == []


def test_a_log_that_grew_large_begins_again_and_the_one_before_is_kept(tmp_path: Path, orphans: OrphanWatch) -> None:
    child = Child(Part("talker", [sys.executable, "-uc", f"print('x' * {LOG_BYTES}); import time; time.sleep(60)"]), tmp_path, orphans)
    child.start()
    try:
        wait_until("it has said much", lambda: child.log.stat().st_size > LOG_BYTES)
        child.tend()
        assert child.log.stat().st_size == 0
        assert (tmp_path / "talker.log.1").stat().st_size == LOG_BYTES + 1
    finally:
        child.end(grace_s=1)


def test_ending_a_child_ends_what_it_started_even_if_that_ignores_sigterm(tmp_path: Path, orphans: OrphanWatch) -> None:
    child = Child(Part("worker", python(PARENT)), tmp_path, orphans)
    child.start()
    session = child.pid
    assert session is not None
    wait_until("it is deaf", lambda: b"deaf" in child.log.read_bytes())
    assert len(sessions.members([session])) == 2
    child.end(grace_s=0.2)
    assert sessions.members([session]) == []


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = f"""
        import time
        from pathlib import Path
        from supervisor.checks import hold
        from supervisor.children import LOG_BYTES, Child, Part
        from supervisor.orphans import OrphanWatch
        lock = hold(Path({str(tmp_path)!r}))
        child = Child(Part("worker", {python("import subprocess, sys, time; subprocess.Popen(['sleep', '600']); time.sleep(600)")!r}),
                      Path({str(tmp_path)!r}), OrphanWatch(lock))
        child.start()
        print(child.pid, flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(python(textwrap.dedent(code)), stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        session = int(supervisor.stdout.readline())
        wait_until("both run", lambda: len(sessions.members([session])) == 2)
        supervisor.kill()
    wait_until("all have ended", lambda: sessions.members([session]) == [])
    wait_until("the lock is free", lambda: _free(tmp_path))


def _free(data_dir: Path) -> bool:
    try:
        hold(data_dir).close()
    except AlreadyRunning:
        return False
    return True


def test_a_port_in_use_is_one_clear_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = other.getsockname()
        with pytest.raises(PortInUse, match=f"Port {address[1]} on 127.0.0.1 is in use, and the web needs it"):
            require_free(address, "the web", "DEMUR_BASE_URL")
    require_free(address, "the web", "DEMUR_BASE_URL")


def test_a_data_directory_is_held_by_one_supervisor(tmp_path: Path) -> None:
    with hold(tmp_path / "data"), pytest.raises(AlreadyRunning, match="already runs"):
        hold(tmp_path / "data")
    hold(tmp_path / "data").close()


def test_a_data_directory_that_cannot_be_written_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirUnwritable, match=r"cannot be written .*DEMUR_DATA_DIR"):
        hold(tmp_path / "file" / "data")


def test_a_socket_path_that_is_too_long_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(BrokerSocketTooLong, match="shorter DEMUR_DATA_DIR"):
        broker_command(tmp_path / ("deep" * 30) / SOCKET_NAME)


def test_keys_are_made_once_and_the_run_signer_is_trusted(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path)
    make_keys(config.keys_dir, config.list_name)
    before = {path: path.read_bytes() for path in config.keys_dir.rglob("*.*")}
    make_keys(config.keys_dir, config.list_name)
    assert {path: path.read_bytes() for path in config.keys_dir.rglob("*.*")} == before
    signer = SigningKey.load(config.keys_dir / "run-signer.pem")
    assert VerifyKey.load(config.keys_dir / "runs" / "run-signer.vkey") == signer.verifier
    assert SigningKey.load(config.keys_dir / "list.pem").verifier.name == config.list_name
