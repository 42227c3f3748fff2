"""A data directory with one manifest of many owners, and real relay and worker processes that a test may kill."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from config import Config
from jobs.workplace import Workplace
from models import Account
from rights.accounts import sign_in
from rights.imports import import_and_register
from rights.signing_keys import make_keys
from tests.support.brokers import Broker

ROOT = Path(__file__).parents[2]
OWNERS = 60
PHOTOS = 5
LEASE_S = 1.5


@dataclass
class Workshop:
    config: Config
    workplace: Workplace
    environment: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """``relay``, or the name of a queue and a number, for a worker on that queue: ``search-1``."""
        part = ["relay", "--lease", str(LEASE_S)] if name == "relay" else ["worker", name.partition("-")[0]]
        log = (self.config.data_dir / f"{name}.log").open("ab")
        with log:
            command = [sys.executable, "-m", "jobs", *part]
            self.processes[name] = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes.pop(name).wait()

    def stop(self, name: str) -> int:
        """Ends a process as the supervisor does, and returns its exit code."""
        self.processes[name].send_signal(signal.SIGTERM)
        return self.processes.pop(name).wait(20)

    def logs(self) -> str:
        return "\n".join(f"== {log.name}\n{log.read_text()[-4000:]}" for log in self.config.data_dir.glob("*.log"))

    def account(self, owner: str) -> Account:
        with self.workplace.writing.begin() as session:
            return sign_in(session, iss="https://id.example", sub=owner, owner=owner, display_name=owner, now=datetime.now(UTC))


@contextmanager
def workshop(data_dir: Path, database_url: str, broker: Broker) -> Iterator[Workshop]:
    """Imports the manifest, makes the keys, and at the end kills whatever runs."""
    config = Config(data_dir=data_dir, database_url=database_url, DEMUR_REDIS_URL=broker.url)
    make_keys(config.keys_dir, config.list_name)
    workplace = Workplace.open(config)
    source = write_manifest(data_dir / "photos.jsonl")
    import_and_register(workplace.writing, workplace.catalogues, source, "many", clock=lambda: datetime.now(UTC), workers=0)
    variables = {"DEMUR_DATA_DIR": str(data_dir), "DEMUR_DATABASE_URL": database_url, "DEMUR_REDIS_URL": broker.url}
    shop = Workshop(config, workplace, os.environ | variables)
    try:
        yield shop
    finally:
        for name in list(shop.processes):
            shop.kill(name)
        workplace.reading.kw["bind"].dispose()


def uids_of(owner: str) -> list[str]:
    return [f"{owner}-{number}" for number in range(PHOTOS)]


def write_manifest(path: Path) -> Path:
    """Rows with fingerprints, none of which resemble each other."""
    rng = random.Random(7)
    with path.open("w") as file:
        for owner in (f"owner{n}" for n in range(OWNERS)):
            for uid in uids_of(owner):
                row = {
                    "uid": uid,
                    "owner": owner,
                    "caption": f"the photo {uid}",
                    "sha256": hashlib.sha256(uid.encode()).hexdigest(),
                    "phash": f"{rng.getrandbits(64):016x}",
                    "pdq": f"{rng.getrandbits(256):064x}",
                    "pdq_quality": 90,
                }
                file.write(json.dumps(row) + "\n")
    return path
