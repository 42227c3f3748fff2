"""The command, as its own process where signals and exit codes matter."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from demur.manifests import Catalogue
from demur.runs import RunRecord
from demur.signing import SigningKey, VerifyKey
from rhea.cli import main
from tests.support.exclusion_lists import build, build_version_for_today, publish_version, uids

Train = Callable[..., Result]


@pytest.fixture
def operator() -> SigningKey:
    return SigningKey.generate("operator")


@pytest.fixture
def lists(tmp_path: Path, operator: SigningKey) -> Path:
    publish_version(tmp_path / "list", operator, build_version_for_today(uids("ada-0")))
    return tmp_path / "list"


@pytest.fixture
def train(catalogue: Catalogue, tmp_path: Path) -> Train:
    def run(*options: str, out: str = "run") -> Result:
        return CliRunner().invoke(main, ["train", "--data", str(catalogue.path), "--out", str(tmp_path / out), "--tier", "tests", *options])

    return run


def refused(result: Result, sentence: str) -> None:
    assert result.exit_code == 3
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_run_filtered_by_a_list(train: Train, lists: Path, operator: SigningKey, tmp_path: Path) -> None:
    result = train("--minutes", "0.01", "--list", str(lists), "--list-key", str(operator.verifier), "--name", "Run 2")
    assert result.exit_code == 0, result.stderr
    key = VerifyKey.load(tmp_path / "run/signing-key.pub")
    record = RunRecord.parse((tmp_path / "run/run-record.dsse.json").read_bytes(), [key])
    assert record.name == "Run 2"
    assert record.exclusion_list is not None
    assert record.exclusion_list.version == 1
    assert record.dropped == {"uid": 1}
    refused(train("--list", "none", out="another"), "remembers a published list")


def test_a_stale_list_is_refused(train: Train, operator: SigningKey, tmp_path: Path) -> None:
    old = build(uids("ada-0"), published_at=datetime.now(UTC) - timedelta(days=30))
    publish_version(tmp_path / "list", operator, old)
    refused(train("--list", str(tmp_path / "list"), "--list-key", str(operator.verifier)), "expired")
    assert not (tmp_path / "run/run-record.dsse.json").exists()


def test_a_tampered_list_is_refused(train: Train, lists: Path, operator: SigningKey) -> None:
    entries = lists / "versions/1/entries.parquet"
    entries.write_bytes(entries.read_bytes().replace(b"ada-0", b"ada-1"))
    refused(train("--list", str(lists), "--list-key", str(operator.verifier)), "not the one that was signed")


def test_a_list_by_another_key_is_refused(train: Train, lists: Path) -> None:
    refused(train("--list", str(lists), "--list-key", str(SigningKey.generate("other").verifier)), "not a key given as trusted")


def test_a_rolled_back_list_is_refused(train: Train, lists: Path, operator: SigningKey, tmp_path: Path) -> None:
    state = tmp_path / "list-state.json"
    root = "0" * 64
    state.write_text(json.dumps({"list_id": build(uids("ada-0")).head.list_id, "version": 7, "root": root, "key": None}))
    refused(train("--list", str(lists), "--list-key", str(operator.verifier)), "version 7 was seen before")


def test_a_list_without_a_key_is_refused(train: Train, lists: Path) -> None:
    refused(train("--list", str(lists)), "--list-key")


def test_what_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    options = ["train", "--data", str(tmp_path), "--list", "none", "--out", str(tmp_path / "run")]
    refused(CliRunner().invoke(main, options), "is not a catalogue")


def test_a_finished_run_is_refused(catalogue: Catalogue, finished_run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished_run.iterdir()}
    options = ["train", "--data", str(catalogue.path), "--list", "none", "--out", str(finished_run)]
    refused(CliRunner().invoke(main, options), "holds a finished run")
    assert {path: path.stat().st_mtime_ns for path in finished_run.iterdir()} == before


def test_sampling_from_no_run_is_refused(tmp_path: Path) -> None:
    refused(CliRunner().invoke(main, ["sample", "--run", str(tmp_path), "--prompt", "x", "--out", str(tmp_path / "o")]), "no trained model")


def test_sigterm_leaves_no_run_record(catalogue: Catalogue, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "rhea", "train", "--data", str(catalogue.path), "--list", "none", "--out", str(out), "--tier", "tests"]
    with subprocess.Popen([*command, "--minutes", "60"], stderr=subprocess.PIPE) as trainer:
        wait_for_stage(out / "progress.jsonl", "autoencoder")
        trainer.send_signal(signal.SIGTERM)
        _, said = trainer.communicate(timeout=30)
    assert trainer.returncode == 143
    assert b"Traceback" not in said
    assert not (out / "run-record.dsse.json").exists()
    assert not (out / "denoiser.safetensors").exists()


def wait_for_stage(progress: Path, stage: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if progress.exists() and f'"{stage}"' in progress.read_text():
            return
        time.sleep(0.1)
    pytest.fail(f"the trainer did not reach {stage} in {seconds} s")
