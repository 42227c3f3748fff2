"""The transparency log as a stranger, a witness and the operator meet it, over real HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from click.testing import CliRunner, Result

from demur.cli import main
from demur.exclusions.sources import open_source
from demur.signing import SigningKey, VerifyKey
from demur.tlog.checkpoint import WitnessKey
from demur.tlog.reader import LogReader
from demur.tlog.tiles import read_leaves
from models import LogEntry
from tests.support.portals import ADA, TestedPortal, import_for_members, portal_for_tests, serving


@pytest.fixture(scope="module")
def catalogues(photos_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return import_for_members(photos_dir, tmp_path_factory.mktemp("members"))


@pytest.fixture
def portal(tmp_path: Path, database_url: str, catalogues: Path) -> Iterator[TestedPortal]:
    with portal_for_tests(tmp_path / "data", database_url, catalogues) as portal:
        opt_out(portal, "ada-1")
        with serving(portal.app, urlsplit(portal.config.base_url).port or 0):
            yield portal


def opt_out(portal: TestedPortal, uid: str) -> None:
    ada = portal.member(ADA)
    ada.get("/photos")
    ada.post("/opt-outs", {"uid": uid})
    portal.settle()


def log_key(portal: TestedPortal) -> VerifyKey:
    return SigningKey.load(portal.config.keys_dir / "log.pem").verifier


def address(portal: TestedPortal) -> str:
    return f"{portal.config.base_url}/log/"


def witness(portal: TestedPortal, home: Path, *more: str) -> Result:
    key = home / "witness.pem"
    if not key.exists():
        SigningKey.generate("witness.example").save(key)
    options = ["--key", str(log_key(portal)), "--signing-key", str(key), "--state", str(home / "seen.json"), "--json", *more]
    return CliRunner().invoke(main, ["witness", address(portal), *options])


def trust(portal: TestedPortal, home: Path) -> WitnessKey:
    """The operator takes the witness's key up."""
    signer = SigningKey.load(home / "witness.pem")
    key = WitnessKey(signer.name, signer.verifier.public)
    (portal.config.keys_dir / "witnesses").mkdir()
    (portal.config.keys_dir / "witnesses" / "one.vkey").write_text(f"{key}\n")
    return key


def test_a_stranger_reads_the_whole_log_and_it_names_nobody(portal: TestedPortal):
    source = open_source(address(portal), None)
    checkpoint = LogReader(source.read, log_key(portal)).checkpoint()
    assert checkpoint.size == 3, "filed, the list's version, listed"
    leaves = list(read_leaves(source.read, checkpoint.size))
    with portal.workplace.reading() as session:
        assert {entry.leaf for entry in session.query(LogEntry)} == set(leaves)
    assert b"ada" not in b"".join(leaves)
    assert requests.get(address(portal) + "key", timeout=10).text.strip() == str(log_key(portal))


def test_tiles_may_be_kept_for_good_and_the_checkpoint_may_not(portal: TestedPortal):
    tile = requests.get(address(portal) + "tile/0/000.p/3", timeout=10)
    assert (tile.status_code, len(tile.content)) == (200, 96)
    assert "immutable" in tile.headers["Cache-Control"]
    checkpoint = requests.get(address(portal) + "checkpoint", timeout=10)
    assert checkpoint.headers["Cache-Control"] == "public, no-cache"
    assert checkpoint.headers["Content-Type"] == "text/plain; charset=utf-8"
    again = requests.get(address(portal) + "checkpoint", headers={"If-None-Match": checkpoint.headers["ETag"]}, timeout=10)
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["tile/0/001", "tile/9/000", "tile/0", "tile/..%2f..%2fkeys/log.pem", "tile/%2e%2e/checkpoint", "tile/0/.000"]
)
def test_what_is_no_tile_is_not_found(portal: TestedPortal, path: str):
    assert requests.get(f"{address(portal)}tile/{path}", timeout=10).status_code == 404


def test_a_witness_cosigns_and_receipts_carry_it(portal: TestedPortal, tmp_path: Path):
    assert witness(portal, tmp_path).exit_code == 0
    key = trust(portal, tmp_path)
    assert witness(portal, tmp_path, "--submit").exit_code == 0
    with portal.workplace.reading() as session:
        public_id = session.query(LogEntry).first().public_id
    receipt = tmp_path / "receipt.json"
    receipt.write_bytes(requests.get(f"{portal.config.base_url}/receipts/{public_id}.json", timeout=10).content)
    result = CliRunner().invoke(main, ["verify", str(receipt), "--log-key", str(log_key(portal)), "--witness-key", str(key)])
    assert result.exit_code == 0, result.output
    assert "witness.example saw this tree at" in result.stdout
    assert json.loads(portal.run("log", "verify", "--json").stdout)["cosigned_by"] == ["witness.example"]


def test_the_log_grows_on_and_the_witness_follows(portal: TestedPortal, tmp_path: Path):
    assert json.loads(witness(portal, tmp_path).stdout)["size"] == 3
    opt_out(portal, "ada-2")
    assert json.loads(witness(portal, tmp_path).stdout)["size"] == 6


def test_a_cosignature_by_a_stranger_or_of_another_tree_is_refused(portal: TestedPortal, tmp_path: Path):
    stranger = witness(portal, tmp_path, "--submit")
    assert (stranger.exit_code, "by a witness that is known here" in stranger.stderr) == (1, True)
    trust(portal, tmp_path)
    cosigned = json.loads(witness(portal, tmp_path).stdout)["checkpoint"]
    opt_out(portal, "ada-2")
    late = requests.post(address(portal) + "cosignatures", data=cosigned.encode(), timeout=10)
    assert (late.status_code, "witness it again" in late.text) == (409, True)
    for rubbish in (b"", b"\xff", cosigned.replace("3", "4", 1).encode(), bytes(70_000)):
        assert requests.post(address(portal) + "cosignatures", data=rubbish, timeout=10).status_code in (400, 413)


def test_the_operator_compares_log_and_database(portal: TestedPortal):
    told = json.loads(portal.run("log", "verify", "--json").stdout)
    assert (told["leaves"], told["waiting"]) == (3, 0)
    bundle = portal.config.log_dir / "tile/entries/000.p/3"
    honest = bundle.read_bytes()
    bundle.write_bytes(honest[:-1] + bytes([honest[-1] ^ 1]))
    result = portal.run("log", "verify")
    assert (result.exit_code, "leaf 2 of the log is not the one that the database knows" in result.output) == (1, True)
    bundle.write_bytes(honest)
    (portal.config.log_dir / "tile/0/000.p/3").write_bytes(bytes(96))
    assert "do not have the root" in portal.run("log", "verify").output
