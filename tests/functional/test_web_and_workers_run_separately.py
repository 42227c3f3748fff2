"""As in production: `python -m front`, a relay and a worker, each started by itself, and a trainer that pulls the list over HTTP."""

import json
import subprocess
import sys
from pathlib import Path

import requests

from demo.platform import PlatformEvent, tell
from demur.exclusions import Entry, KeyKind
from demur.exclusions.reader import ExclusionList
from demur.signing import SigningKey
from models import ExclusionListVersion
from tests.support.brokers import Broker
from tests.support.portals import free_port
from tests.support.waiting import wait_until
from tests.support.workshop import ROOT, Workshop, uids_of, workshop

SECRET = "shared with the platform"


def test_web_and_workers_run_separately(tmp_path: Path, database_url: str, broker: Broker):
    address = f"127.0.0.1:{free_port()}"
    deleted = uids_of("owner3")[1]
    with workshop(tmp_path, database_url, broker) as shop:
        shop.environment |= {"DEMUR_BASE_URL": f"http://{address}", "DEMUR_WEBHOOK_SECRET": SECRET}
        web = subprocess.Popen([sys.executable, "-m", "front", "--bind", address], cwd=ROOT, env=shop.environment)
        try:
            for part in ("relay", "list-1"):
                shop.start(part)
            wait_until("the site answers", lambda: answers(f"http://{address}/healthz"))
            tell(f"http://{address}", SECRET, PlatformEvent("event-1", "photo_deleted", "owner3", deleted, "2026-11-21T14:02:00Z"))
            wait_until("a version is published", lambda: published(shop))
            exclusions = ExclusionList.open(
                f"http://{address}/api/v1/exclusion-list/",
                key=SigningKey.load(shop.config.keys_dir / "list.pem").verifier,
                token=new_token(shop),
                state=tmp_path / "trainer-state.json",
            )
        finally:
            web.terminate()
            web.wait(20)
        assert Entry(KeyKind.UID, deleted) in exclusions.entries
        assert [shop.stop(part) for part in ("relay", "list-1")] == [0, 0], shop.logs()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:  # not up yet, or still importing
        return False


def published(shop: Workshop) -> bool:
    with shop.workplace.reading() as session:
        return session.get(ExclusionListVersion, 1) is not None


def new_token(shop: Workshop) -> str:
    command = [sys.executable, "-m", "flask", "--app", "app", "token", "create", "trainer", "--scope", "list:read", "--json"]
    told = subprocess.run(command, cwd=ROOT, env=shop.environment, capture_output=True, text=True, check=True).stdout
    return str(json.loads(told)["token"])
