"""docs/train-with-demur.md, followed word for word in a bare virtual environment against a portal served over HTTP."""

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from models import RunState, TrainingRun
from rights.public_keys import SIGNERS_DIR
from tests.support.databases import SqliteDatabases
from tests.support.portals import ADA, TestedPortal, portal_for_tests, serving
from tests.support.training_sets import write_tar

ADDRESS = "https://demur.example"
WEB_STACK = {"flask", "sqlalchemy", "rq", "redis", "torch", "celery", "django", "werkzeug", "alembic"}
Step = tuple[str, str]  # language, code


def steps() -> list[Step]:
    text = Path("docs/train-with-demur.md").read_text()
    return re.findall(r"^```(sh|python)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def portal(tmp_path: Path, sqlite_databases: SqliteDatabases, member_catalogues: Path) -> Iterator[TestedPortal]:
    """ada-1 is opted out; everything else of the generated photos may be trained on."""
    with sqlite_databases.fresh() as url, portal_for_tests(tmp_path / "portal", url, member_catalogues) as portal:
        ada = portal.member(ADA)
        ada.get("/photos")
        ada.post("/opt-outs", {"uid": "ada-1"})
        portal.settle()
        yield portal


class Engineer:
    """Types what the page says, in one shell: what was exported once stays."""

    def __init__(self, desk: Path, portal_url: str) -> None:
        self.desk, self._portal_url, self._exports = desk, portal_url, ""

    def follow(self, step: Step) -> str:
        """What the commands printed."""
        language, code = step[0], step[1].replace(ADDRESS, self._portal_url)
        if language == "python":
            name = re.match(r"# (\w+\.py)\n", code)
            assert name is not None, "a script says in its first line what it is to be called"
            (self.desk / name[1]).write_text(code)
            return ""
        shell = ["bash", "-euo", "pipefail", "-c", self._exports + code]
        done = subprocess.run(shell, cwd=self.desk, env=bare(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        self._exports += "".join(line + "\n" for line in code.splitlines() if line.startswith("export "))
        return done.stdout


def bare() -> dict[str, str]:
    """An environment without anything of ours in it; `python3` is what these tests run on."""
    own = ("HOME", "LANG", "TMPDIR", "PIP_", "SSL_", "HTTP_PROXY", "HTTPS_PROXY")
    kept = {name: value for name, value in os.environ.items() if name.upper().startswith(own)}
    path = f"{Path(sys._base_executable).parent}:/usr/local/bin:/usr/bin:/bin"  # type: ignore[attr-defined]
    return kept | {"PATH": path, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@pytest.fixture
def engineer(tmp_path: Path, portal: TestedPortal, photos_dir: Path) -> Iterator[Engineer]:
    """With the checkout, the data, and what the operator hands over."""
    desk, port = tmp_path / "desk", urlsplit(portal.config.base_url).port or 0
    shutil.copytree("demur", desk / "demur", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    write_data(desk, photos_dir)
    token = json.loads(portal.run("token", "create", "trainer", "--scope", "list:read", "--scope", "runs:write", "--json").output)["token"]
    (desk / "token").write_text(f"{token}\n")
    (desk / "list.vkey").write_text(portal.visitor().get("/api/v1/exclusion-list/key").text)
    with serving(portal.app, port):
        yield Engineer(desk, f"http://127.0.0.1:{port}")


def write_data(desk: Path, photos_dir: Path) -> None:
    with (photos_dir / "photos.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["visibility"] == "public"]
    pictures = {row["uid"]: (photos_dir / row["path"]).read_bytes() for row in rows}
    columns = {name: [row[name] for row in rows] for name in ("uid", "url", "owner", "caption")}
    digests = [hashlib.sha256(picture).hexdigest() for picture in pictures.values()]
    pq.write_table(pa.table({**columns, "sha256": digests}), desk / "photos.parquet")
    (desk / "shards").mkdir()
    write_tar(desk / "shards" / "00000.tar", {uid: {"jpg": picture} for uid, picture in pictures.items()})
    write_tar(desk / "shards" / "00001.tar", {"under-another-name": {"jpg": pictures["ada-1"]}})


def uids_in(tars: Path) -> set[str]:
    found = set()
    for path in tars.iterdir():
        with tarfile.open(path) as tar:
            found |= {name.partition(".")[0] for name in tar.getnames()}
    return found


@pytest.mark.slow
def test_the_page_leads_to_a_proven_run(engineer: Engineer, portal: TestedPortal) -> None:
    desk, said = engineer.desk, ""
    for step in steps():
        said += engineer.follow(step)
        if (desk / "trainer.vkey").exists():  # the operator's part
            shutil.copy(desk / "trainer.vkey", portal.config.keys_dir / SIGNERS_DIR / "trainer.vkey")
    everything = set(pq.read_table(desk / "photos.parquet", use_threads=False)["uid"].to_pylist())
    assert re.search(r"^version +1$", said, re.MULTILINE)
    assert set(pq.read_table(desk / "kept.parquet", use_threads=False)["uid"].to_pylist()) == everything - {"ada-1"}
    assert uids_in(desk / "kept-shards") == everything - {"ada-1"}  # nor is it there under another name
    assert "excluded by its uid: ada-1\nnothing excludes it\n" in said
    assert re.findall(r"^(HOLDS|DOES NOT HOLD|COULD NOT BE CHECKED) ", said, re.MULTILINE) == ["HOLDS"] * 4
    with portal.workplace.reading() as session:
        run = session.scalars(select(TrainingRun)).one()
        assert [manifest.rows for manifest in run.manifests] == [len(everything)]
    assert (run.name, run.state, run.list_version, run.consumed_size) == ("Run 1 of the trainer", RunState.RECORDED, 1, len(everything) - 1)
    assert run.dropped == {"uid": 1}
    assert f'"id":"{run.public_id}"' in said.replace(" ", "")
    listing = [desk / "venv/bin/python", "-m", "pip", "list", "--format=json"]
    installed = subprocess.run(listing, env=bare(), capture_output=True, check=True)
    assert not WEB_STACK & {each["name"].lower() for each in json.loads(installed.stdout)}


def test_every_script_of_the_page_is_run_by_it() -> None:
    shell = "".join(code for language, code in steps() if language == "sh")
    scripts = [code.split()[1] for language, code in steps() if language == "python"]
    assert scripts == ["why.py", "train.py"]
    assert all(f"venv/bin/python {script}" in shell for script in scripts)
