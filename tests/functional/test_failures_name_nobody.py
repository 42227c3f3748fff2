"""A member's uid, owner, path and address are in what fails: a job, a request, a training run, an import and a mail.

None of them is on a page for strangers, in a line of any log, or in a column that such a page reads. Two places are the operator's own:
what a failed trainer said (logs/trainer-….log), and the terminal at which an import was begun.
"""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import requests
from sqlalchemy import inspect, select, text

from config import Config
from demo.members import BY_SUB
from demo.provider import create_provider
from demo.visitor import Lost, Visitor
from jobs.workplace import Workplace
from models import ExclusionListVersion, Manifest, Outbox, RunState, TrainingRun
from rights import outbox
from rights.imports import PROPAGATE_MANIFEST
from rights.outbox import MAIL_RECEIPT
from rights.runs import queue_run
from rights.signing_keys import make_keys
from tests.support.brokers import Broker
from tests.support.portals import ADA, MANIFEST, free_port, register, serving
from tests.support.waiting import wait_until
from tests.support.workshop import ROOT

UID, ADDRESS, PLACE = "ada-1", BY_SUB[ADA].email, "amaras-holiday"
PERSONAL = (UID, ADA, ADDRESS, PLACE)
SAID = f"{PLACE} {UID} {ADDRESS}"
"""The name of the directory that the catalogue is in, so that every error that names its file says all four."""
PATIENCE_S = 240
READ_BY_STRANGERS = ("training_run", "training_run_manifest", "exclusion_list_version", "manifest")


@dataclass
class Running:
    config: Config
    workplace: Workplace
    provider: str
    said: Path

    def logs(self) -> dict[str, str]:
        """Of every part but the provider, and what the supervisor said. What failed trainers said is the operator's."""
        logs = (log for log in (self.config.data_dir / "logs").iterdir() if not log.name.startswith("trainer-"))
        return {log.name: log.read_text() for log in logs} | {"the supervisor": self.said.read_text()}

    def trainers_words(self) -> str:
        return "".join(log.read_text() for log in (self.config.data_dir / "logs").glob("trainer-*.log"))


@pytest.fixture
def running(tmp_path: Path, sqlite_databases, member_catalogues: Path, own_broker: Broker, monkeypatch) -> Iterator[Running]:
    """`python app.py` with one manifest, a provider, and a mail server that is away."""
    issuer = free_port()
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    with sqlite_databases.fresh() as url:
        settings = {
            "DEMUR_DATA_DIR": str(data),
            "DEMUR_DATABASE_URL": url,
            "DEMUR_REDIS_URL": own_broker.url,
            "DEMUR_BASE_URL": f"http://127.0.0.1:{free_port()}",
            "DEMUR_OIDC_ISSUER": f"http://127.0.0.1:{issuer}",
            "DEMUR_OIDC_CLIENT_SECRET": "a secret of the tests",
            "DEMUR_SMTP_URL": f"smtp://127.0.0.1:{free_port()}?starttls=never",
            "DEMUR_MAIL_FROM": "Lantern <privacy@lantern.example>",
            "DEMUR_TRAIN_TIER": "tests",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        config = Config.from_env()
        make_keys(config.keys_dir, config.list_name)
        config.catalogues_dir.mkdir()
        (config.catalogues_dir / SAID).symlink_to(member_catalogues / MANIFEST)
        workplace = Workplace.open(config)
        register(workplace, SAID)
        with workplace.writing.begin() as session:
            session.scalars(select(Manifest)).one().name = MANIFEST
        with serving(create_provider(config, tmp_path / "provider"), issuer), started(tmp_path / "said.log"):
            wait_until("the site answers", lambda: answers(f"{config.base_url}/healthz"), PATIENCE_S)
            yield Running(config, workplace, settings["DEMUR_OIDC_ISSUER"], tmp_path / "said.log")
        workplace.reading.kw["bind"].dispose()


@contextmanager
def started(said: Path) -> Iterator[None]:
    with said.open("wb") as output:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False


@pytest.mark.slow
def test_what_fails_names_nobody_to_strangers_nor_to_a_log(running: Running, tmp_path: Path) -> None:
    member = Visitor(running.config.base_url)
    member.sign_in(ADA)
    file_one(running, member)
    fail_to_mail(running)
    fail_to_train(running)
    fail_to_import(tmp_path)
    catalogue = running.config.catalogues_dir / SAID
    whole = catalogue.resolve()
    catalogue.unlink()
    fail_to_work(running)
    fail_to_answer(member, "503")
    shutil.copytree(whole, catalogue)
    (catalogue / "rows.parquet").unlink()  # which nobody expects
    fail_to_answer(member, "500")
    send_nonsense(running)
    seen = pages_for_strangers(running.config.base_url)
    assert personal_words_in(seen | running.logs() | columns(running.workplace)) == []


def file_one(running: Running, member: Visitor) -> None:
    member.visit("/photos")
    member.send("/opt-outs/check", {"uid": [UID]})
    member.send("/opt-outs", {"uid": [UID], "regime": "gdpr"})
    wait_until("a version is published", lambda: first_version(running), PATIENCE_S)


def first_version(running: Running) -> ExclusionListVersion | None:
    with running.workplace.reading() as session:
        return session.get(ExclusionListVersion, 1)


def fail_to_mail(running: Running) -> None:
    wait_until("a mail failed", lambda: error_of(running, MAIL_RECEIPT), PATIENCE_S)


def fail_to_train(running: Running) -> None:
    """The trainer remembers another list, whose name is all that is personal."""
    running.config.runs_dir.mkdir(exist_ok=True)
    remembered = {"list_id": f"{SAID} {ADA}", "version": 9, "root": "0" * 64, "key": None}
    (running.config.runs_dir / "list-state.json").write_text(json.dumps(remembered))
    with running.workplace.writing.begin() as session:
        queue_run(session, "Run 1", "tests", datetime.now(UTC))
    wait_until("the run failed", lambda: state_of_run(running) is RunState.FAILED, PATIENCE_S)
    assert all(word in running.trainers_words() for word in PERSONAL), "the attack is none"


def state_of_run(running: Running) -> RunState | None:
    with running.workplace.reading() as session:
        return session.scalar(select(TrainingRun.state))


def fail_to_import(tmp_path: Path) -> None:
    """A shard is refused by name, which the operator sees at the terminal."""
    source = tmp_path / SAID
    source.mkdir()
    (source / f"{SAID} {ADA}.csv").touch()
    command = [sys.executable, "-m", "flask", "--app", "app", "manifest", "import", str(source), "--name", "refused"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert all(word in ended.stdout + ended.stderr for word in PERSONAL), f"the attack is none: {ended.stderr}"


def fail_to_work(running: Running) -> None:
    with running.workplace.writing.begin() as session:
        outbox.add(session, PROPAGATE_MANIFEST, {"manifest_id": 1}, datetime.now(UTC))
    wait_until("a job failed", lambda: error_of(running, PROPAGATE_MANIFEST), PATIENCE_S)


def error_of(running: Running, topic: str) -> str | None:
    with running.workplace.reading() as session:
        return session.scalar(select(Outbox.last_error).where(Outbox.topic == topic, Outbox.last_error != ""))


def fail_to_answer(member: Visitor, status: str) -> None:
    for page in ("/photos", f"/photos/{UID}", f"/photos/{UID}/thumbnail", f"/photos?search={quote(SAID)}"):
        with pytest.raises(Lost, match=status):
            member.visit(page)


def send_nonsense(running: Running) -> None:
    """Strangers' requests that name somebody, well formed and not."""
    base = running.config.base_url
    headers = {"Referer": f"{base}/photos/{UID}", "User-Agent": SAID, "X-Forwarded-For": ADDRESS, "Cookie": f"demur={UID}; who={ADA}"}
    for path in (f"/photos/{UID}", f"/{PLACE}/{ADA}", f"/runs/{UID}", f"/receipts/{UID}", f"/auth/callback?error={ADA}&state={ADDRESS}"):
        requests.get(base + path, headers=headers, timeout=20, allow_redirects=False)
    requests.post(f"{base}/verify", files={"file": (SAID, f"{UID} {ADA}".encode())}, timeout=20)
    address = urlsplit(base)
    for line in (f"GET /photos/{UID} {ADA}", f"GET /photos/{UID} HTTP/1.1\r\nContent-Length: {PLACE}", f"{UID}\x00{ADDRESS}"):
        with socket.create_connection((address.hostname, address.port), 20) as connection:
            connection.sendall(f"{line}\r\n\r\n".encode())
            connection.recv(100)


def pages_for_strangers(base: str) -> dict[str, str]:
    """Every page that a stranger comes to by following links, and where none leads though anybody may ask."""
    seen: dict[str, str] = {}
    ahead = ["/", "/runs", "/exclusion-list", "/log", "/verify", "/api/openapi.json", "/progress"]
    while ahead:
        path = ahead.pop()
        if path in seen or len(seen) > 200:
            continue
        answer = requests.get(base + path, timeout=60, allow_redirects=False)
        seen[path] = f"{answer.headers} {answer.text}" if answer.encoding else str(answer.headers)
        links = re.findall(r'(?:href|src)="(/[^"#]*)', answer.text) if "html" in answer.headers.get("Content-Type", "") else []
        ahead.extend(link.replace("&amp;", "&") for link in links if not link.startswith("/static/"))
    assert len(seen) > 10
    return seen


def columns(workplace: Workplace) -> dict[str, str]:
    """What stands in the tables that pages for strangers are made of, and how jobs failed. A catalogue's directory is not shown."""
    found: dict[str, str] = {}
    with workplace.reading() as session:
        engine = session.get_bind()
        for table in READ_BY_STRANGERS:
            names = [column["name"] for column in inspect(engine).get_columns(table) if column["name"] != "catalogue"]
            rows = session.execute(text(f"SELECT {', '.join(names)} FROM {table}")).all()
            found[table] = str(rows)
        found["outbox"] = str(session.scalars(select(Outbox.last_error)).all())
    return found


def personal_words_in(texts: dict[str, str]) -> list[str]:
    lines = [(name, line) for name, said in texts.items() for line in said.splitlines()]
    return [f"{word} in {name}: {line[:300]}" for name, line in lines for word in PERSONAL if word in line]
