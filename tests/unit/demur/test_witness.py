"""`demur witness`: cosigns what extends what it saw, over HTTP and from a directory, and notices a fork."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from demur.cli import main
from demur.signing import SigningKey
from demur.tlog.checkpoint import LogCheckpoint, WitnessKey
from demur.tlog.files import LogFiles
from tests.support.exclusion_lists import serve
from tests.unit.demur.test_tlog_files import KEY, leaf, leaves

LEAVES = leaves(0, 700)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    LogFiles(tmp_path / "log").append(LEAVES[:300], 0, KEY)
    SigningKey.generate("witness.example").save(tmp_path / "witness.pem")
    return tmp_path / "log"


def witness(log: Path | str, home: Path, *more: str) -> Result:
    arguments = ["--key", str(KEY.verifier), "--signing-key", str(home / "witness.pem"), "--state", str(home / "seen.json"), "--json"]
    return CliRunner().invoke(main, ["witness", str(log), *arguments, *more])


def test_a_log_that_grows_is_cosigned_each_time(log: Path):
    for stop in (300, 301, 512, 700):
        LogFiles(log).append(LEAVES[:stop], 0, KEY)
        result = witness(log, log.parent)
        assert result.exit_code == 0, result.output
        told = json.loads(result.stdout)
        checkpoint = LogCheckpoint.open(told["checkpoint"], KEY.verifier)
        assert checkpoint.size == told["size"] == stop
        checkpoint.seen_at(WitnessKey.parse(told["witness"]))


def test_a_log_is_witnessed_over_http(log: Path):
    with serve(log, token="") as server:
        result = witness(server.url, log.parent)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["size"] == 300


def test_a_forked_log_is_noticed(log: Path):
    assert witness(log, log.parent).exit_code == 0
    shutil.rmtree(log)
    LogFiles(log).append([*LEAVES[:299], leaf(9999), *LEAVES[300:400]], 0, KEY)
    result = witness(log, log.parent)
    assert result.exit_code == 3
    assert "LogForked" in result.stderr
    assert "does not extend the 300 leaves that were seen before" in result.stderr
    assert json.loads((log.parent / "seen.json").read_text())["size"] == 300, "what was seen stays seen"


def test_a_log_that_went_back_is_noticed(log: Path):
    assert witness(log, log.parent).exit_code == 0
    shutil.rmtree(log)
    LogFiles(log).append(LEAVES[:200], 0, KEY)
    result = witness(log, log.parent)
    assert (result.exit_code, "shows 200 leaves, but 300 were seen" in result.stderr) == (3, True)


def test_tiles_that_are_not_what_was_signed_are_not_cosigned(log: Path):
    tile = log / "tile/0/001.p/44"
    tile.write_bytes(bytes(44 * 32))
    result = witness(log, log.parent)
    assert (result.exit_code, "do not have the root" in result.stderr) == (3, True)
    assert not (log.parent / "seen.json").exists()


def test_a_state_of_another_log_or_none_at_all_ends_in_one_sentence(log: Path):
    (log.parent / "seen.json").write_text('{"log":"other","root":"%s","size":1}' % ("0" * 64))
    assert "is about the log other" in witness(log, log.parent).stderr
    (log.parent / "seen.json").write_text("[]")
    assert "not a readable state file" in witness(log, log.parent).stderr


def test_a_log_without_a_checkpoint_is_told_so(log: Path):
    shutil.rmtree(log)
    log.mkdir()
    result = witness(log, log.parent)
    assert (result.exit_code, "has no checkpoint yet" in result.stderr) == (1, True)
