"""`python app.py`: the whole portal on one machine comes up, keeps its data, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
import requests
from sqlalchemy import select

from config import Config
from demo.stage import free_address
from models import Manifest, ManifestState, TrainingRun, make_engine, make_sessions
from supervisor import sessions
from tests.support.pictures import jpeg, textured_picture
from tests.support.waiting import wait_until


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "own photos"
    folder.mkdir()
    for number in range(24):
        (folder / f"a_quiet-morning {number}.jpg").write_bytes(jpeg(textured_picture(seed=number)))
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(data_dir=tmp_path / "data", base_url=free_address())


@contextmanager
def running(config: Config, photos: Path) -> Iterator[subprocess.Popen[str]]:
    settings = {"DEMUR_DATA_DIR": str(config.data_dir), "DEMUR_BASE_URL": config.base_url, "DEMUR_TRAIN_TIER": "tests"}
    arguments = [sys.executable, "app.py", "--photos", str(photos)]
    process = subprocess.Popen(
        arguments, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        wait_until("the site answers", lambda: answers(f"{config.base_url}/healthz"))
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False


def children_of(process: subprocess.Popen[str]) -> set[int]:
    """Ids of the sessions that the supervisor's children lead."""
    status = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return {int(pid) for pid in status.split()}


def names_of_manifests(config: Config) -> list[str]:
    engine = make_engine(config.database)
    with make_sessions(engine)() as session:
        names = list(session.scalars(select(Manifest.name).where(Manifest.state == ManifestState.REGISTERED)))
    engine.dispose()
    return names


@pytest.mark.slow
def test_it_starts_ends_in_order_and_keeps_its_data(config: Config, photos: Path) -> None:
    with running(config, photos) as process:
        wait_until("the photos are imported", lambda: names_of_manifests(config))
        children = children_of(process)
        assert len(children) >= 7  # broker, web, provider, relay, three workers, and the watch over orphans
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert sessions.members(children) == []
    assert process.returncode == 0
    assert "Amara Okafor" in output
    assert "Lantern’s members have posted" in output
    assert "Everything is kept" in output
    last = (config.data_dir / "logs" / "broker.log").read_text().splitlines()[-1]
    assert "ready to exit" in last

    with running(config, photos) as process:
        assert names_of_manifests(config) == ["lantern-autumn-2026"]
        with redis.Redis.from_url(config.broker) as broker:
            assert broker.config_get("port") == {"port": "0"}
        engine = make_engine(config.database)
        with make_sessions(engine)() as session:
            assert session.scalars(select(TrainingRun.name)).all() == ["Run 1"]
        engine.dispose()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_second_one_on_the_same_data_says_so(config: Config, photos: Path) -> None:
    with running(config, photos):
        settings = {"DEMUR_DATA_DIR": str(config.data_dir), "DEMUR_BASE_URL": free_address()}
        second = subprocess.run([sys.executable, "app.py"], env=os.environ | settings, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert second.stderr.splitlines() == [f"Demur already runs on the data directory {config.data_dir}."]
