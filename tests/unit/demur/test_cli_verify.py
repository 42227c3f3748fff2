"""`demur verify`, `list`, `keys` and `hash` as an auditor calls them."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from demur.cli import main
from demur.exclusions import Version
from demur.exclusions.head import WholeFile
from demur.runs import ConsumedReference, ConsumedTree
from demur.signing import SigningKey, VerifyKey
from tests.support.exclusion_lists import build, build_version_for_today, publish_version, serve, sign_head, uids
from tests.support.training_runs import record

VECTORS = Path(__file__).parents[2] / "vectors" / "deletion-vector" / "vectors"
LIST_KEY, RUN_KEY = SigningKey.generate("op.example"), SigningKey.generate("trainer.example")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def verify(*files: Path) -> Result:
    return run("verify", *files, "--list-key", LIST_KEY.verifier, "--run-key", RUN_KEY.verifier)


@dataclass(frozen=True)
class Evidence:
    directory: Path
    version: Version

    @property
    def list_head(self) -> Path:
        return self.directory / "list" / "head.dsse.json"

    @property
    def entries(self) -> Path:
        return self.directory / "list" / "versions" / "1" / "entries.parquet"

    def __getattr__(self, name: str) -> Path:
        return self.directory / {"record": "record.json", "consumed": "consumed.bin"}.get(name, f"{name}.json")


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    (tmp_path / "list").mkdir()
    version = build_version_for_today(uids("a", "b"))
    publish_version(tmp_path / "list", LIST_KEY, version)
    root = ConsumedTree.write(tmp_path / "consumed.bin", ["x", "y", "z"], "run-1")
    (tmp_path / "record.json").write_bytes(record(consumed=ConsumedReference(root, 3)).sign(RUN_KEY))
    tree = ConsumedTree.open(tmp_path / "consumed.bin")
    (tmp_path / "absence.json").write_text(tree.absence_proof("a").to_json())
    (tmp_path / "inclusion.json").write_text(tree.inclusion_proof("x").to_json())
    return Evidence(tmp_path, version)


def test_everything_together_verifies_and_says_what_it_proves(evidence: Evidence) -> None:
    proofs = (evidence.absence, evidence.inclusion, evidence.consumed)
    result = verify(*proofs, evidence.record, evidence.entries, evidence.list_head)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("HOLDS ") == 6
    assert result.stdout.count("Does not prove: ") == 6
    assert "The sample a is not among the 3 samples that the record of the run Run 1 commits to." in result.stdout
    assert "a signature shows only who said it" in result.stdout


def test_of_many_proofs_the_first_are_told_and_every_refusal(evidence: Evidence) -> None:
    tree = ConsumedTree.open(evidence.consumed)
    files = [evidence.directory / f"absent-{number:02d}.json" for number in range(40)]
    for number, file in enumerate(files):
        file.write_text(tree.absence_proof(f"photo-{number}").to_json())
    files[30].write_text(files[30].read_text().replace("photo-30", "photo-31"))
    result = verify(evidence.record, *files)
    assert result.exit_code == 3
    assert "HOLDS and 36 more: Not used by Run 1" in result.stdout
    assert [line for line in result.stdout.splitlines() if line.startswith("DOES")] == [f"DOES NOT HOLD {files[30]} (proof)"]
    assert result.stdout.startswith("1 of 41 does not hold.\n    Run 1 used 0 photos and did not use 39.\n")


def test_a_list_directory_stands_for_its_newest_version(evidence: Evidence) -> None:
    result = verify(evidence.directory / "list")
    assert result.exit_code == 0
    assert "exactly the 2 entries of version 1" in result.stdout


def test_an_expired_head_is_genuine_but_not_to_be_trained_by(evidence: Evidence) -> None:
    publish_version(evidence.directory / "old", LIST_KEY, build(uids("a")))
    result = verify(evidence.directory / "old")
    assert result.exit_code == 0
    assert ("do not train by it" in result.stdout) == (build(uids("a")).head.expires_at < evidence.version.head.published_at)


def test_proofs_and_files_alone_are_refused(evidence: Evidence) -> None:
    for file in (evidence.absence, evidence.inclusion, evidence.consumed, evidence.entries):
        result = verify(file)
        assert result.exit_code == 1
        assert "COULD NOT BE CHECKED" in result.stdout
        assert "NothingToCompare" in result.stdout


@pytest.mark.parametrize("name", ["record", "absence", "inclusion", "consumed", "entries", "list_head"])
def test_a_changed_file_is_refused_by_name_and_the_others_are_still_judged(evidence: Evidence, name: str) -> None:
    file = getattr(evidence, name)
    honest = file.read_bytes()
    others = [evidence.record, evidence.list_head]
    for position in range(0, len(honest), max(1, len(honest) // 25)):
        file.write_bytes(honest[:position] + bytes([honest[position] ^ 1]) + honest[position + 1 :])
        result = verify(file, *(other for other in others if other != file))
        assert result.exit_code in (1, 3), position
        assert "NOT " in result.stdout
        assert result.stdout.count("HOLDS ") == (1 if file in others else 2)


def test_rubbish_and_absent_files_are_refused(evidence: Evidence) -> None:
    rubbish = evidence.directory / "rubbish"
    for content in (b"", b"\xff\x00", b"[]", b"{}", b'{"payload":1}', b"PAR1", b"DEMURCT1"):
        rubbish.write_bytes(content)
        assert verify(rubbish).exit_code in (1, 3)
    assert verify(evidence.directory / "absent").exit_code == 1


def test_a_list_directory_that_does_not_hold_is_a_finding(evidence: Evidence) -> None:
    evidence.entries.write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    result = verify(evidence.directory / "list", evidence.record)
    assert (result.exit_code, result.stderr) == (3, "")
    assert f"DOES NOT HOLD {evidence.directory / 'list'} (list entries)" in result.stdout
    assert result.stdout.count("HOLDS ") == 2  # the head, and the record


def test_consumed_samples_of_any_size_that_do_not_hold_are_a_finding(evidence: Evidence) -> None:
    evidence.consumed.write_bytes(evidence.consumed.read_bytes() + bytes(9_000_000))
    result = verify(evidence.consumed, evidence.record)
    assert (result.exit_code, result.stderr) == (3, "")
    assert f"DOES NOT HOLD {evidence.consumed} (consumed samples)" in result.stdout
    assert result.stdout.count("HOLDS ") == 1


@pytest.mark.parametrize("header", [b"[" * 200_000, b'{"root":"r","run_id":"r","size":1e999}'], ids=["deep", "endless"])
def test_a_header_of_consumed_samples_that_no_number_or_reader_fits_is_a_finding(evidence: Evidence, header: bytes) -> None:
    evidence.consumed.write_bytes(b"DEMURCT1" + len(header).to_bytes(4, "little") + header)
    result = verify(evidence.consumed)
    assert (result.exit_code, result.stderr) == (3, "")
    assert "does not begin as a file of consumed samples. (BadConsumedFile)" in result.stdout


@pytest.mark.parametrize(
    "begins", [b"\xff\xd8\xff", b"%PDF", b"<html", b"PK\7\10", b"list "], ids=["picture", "PDF", "page", "zip", "keys"]
)
def test_a_file_given_by_mistake_is_named_whatever_its_size(evidence: Evidence, begins: bytes) -> None:
    large = evidence.directory / "large"
    large.write_bytes(begins + bytes(9_000_000))
    result = verify(large, evidence.record)
    assert (result.exit_code, result.stderr) == (1, "")
    assert "(UnknownFile)" in result.stdout
    assert result.stdout.count("HOLDS ") == 1


def test_a_file_of_entries_of_any_size_that_does_not_hold_is_a_finding(evidence: Evidence) -> None:
    """It is the file that the head names, and holds no entries."""
    damaged = b"PAR1" + bytes(9_000_000) + b"PAR1"
    evidence.entries.write_bytes(damaged)
    named = WholeFile(hashlib.sha256(damaged).hexdigest(), len(damaged), version=1)
    evidence.list_head.write_bytes(sign_head(replace(evidence.version.head, entries=named), LIST_KEY))
    result = verify(evidence.entries, evidence.list_head)
    assert (result.exit_code, result.stderr) == (3, "")
    assert f"DOES NOT HOLD {evidence.entries} (list entries)" in result.stdout
    assert result.stdout.count("HOLDS ") == 1


def test_whoever_brings_deletion_vectors_is_sent_to_the_command_for_them() -> None:
    (head,) = VECTORS.glob("*/head.dsse.json")
    result = verify(head)
    assert result.exit_code == 1
    assert "`demur vectors show`" in result.output


def test_a_key_that_did_not_sign_is_refused(evidence: Evidence) -> None:
    result = run("verify", evidence.record, "--run-key", SigningKey.generate("another").verifier)
    assert result.exit_code == 1
    assert "it is signed by trainer.example+" in result.stdout
    assert "whose key was not given for run records. (KeyNotGiven)" in result.stdout


def test_a_key_is_trusted_for_its_role_alone(evidence: Evidence) -> None:
    for option in ("--list-key", "--log-key"):
        result = run("verify", evidence.record, option, RUN_KEY.verifier)
        assert result.exit_code == 1
        assert "which you trust for" in result.stdout
    assert verify(evidence.record).stdout.rstrip().endswith(f"Signed by: run {RUN_KEY.verifier}")


def test_a_key_without_a_role_is_refused_and_told_how(evidence: Evidence) -> None:
    for option in ("--key", "--witness"):
        result = run("verify", evidence.record, option, RUN_KEY.verifier)
        assert result.exit_code == 2
        assert "say --list-key, --log-key, --run-key or --witness-key" in result.stderr
    assert run("verify", evidence.record).exit_code == 2


def test_a_file_of_keys_says_what_each_is_for(evidence: Evidence) -> None:
    keys = evidence.directory / "keys.txt"
    keys.write_text(f"# of the portal\nlist {LIST_KEY.verifier}\nrun {RUN_KEY.verifier}\n")
    assert run("verify", evidence.record, evidence.list_head, "--keys", keys).exit_code == 0
    keys.write_text(f"{LIST_KEY.verifier}\n")
    refused = run("verify", evidence.record, "--keys", keys)
    assert (refused.exit_code, "line 1 does not begin with what its key is for" in refused.stderr) == (3, True)


def test_json_for_machines(evidence: Evidence) -> None:
    result = run("verify", evidence.record, evidence.absence, "--run-key", RUN_KEY.verifier, "--json")
    report = json.loads(result.stdout)
    assert report["answer"] == "holds"
    assert [finding["kind"] for finding in report["files"]] == ["signed statement", "proof"]


def test_list_show_over_http_and_from_a_directory(evidence: Evidence) -> None:
    with serve(evidence.directory / "list") as server:
        over_http = run("list", "show", server.url, "--key", LIST_KEY.verifier, "--token", "secret", "--json")
    assert json.loads(over_http.stdout) == json.loads(evidence.version.head.payload())
    plain = run("list", "show", evidence.directory / "list", "--key", LIST_KEY.verifier)
    assert evidence.version.head.root in plain.stdout
    refused = run("list", "show", evidence.directory, "--key", LIST_KEY.verifier)
    assert (refused.exit_code, refused.stderr.count("\n")) == (3, 1)


def test_keys_are_made_once_and_shown(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    made = run("keys", "new", "op.example", "--out", file)
    key = VerifyKey.parse(made.stdout)
    (tmp_path / "key.pub").write_text(made.stdout)
    assert run("keys", "show", file).stdout == run("keys", "show", tmp_path / "key.pub").stdout == made.stdout
    assert json.loads(run("keys", "show", file, "--json").stdout)["key_id"] == key.key_id
    again = run("keys", "new", "op.example", "--out", file)
    assert (again.exit_code, again.stderr.count("\n")) == (1, 1)
    assert SigningKey.load(file).verifier == key


@pytest.mark.parametrize(
    "arguments", [["keys", "new", "two words", "--out", "KEY"], ["keys", "show", "KEY"], ["list", "show", ".", "--key", "rubbish"]]
)
def test_bad_keys_end_in_one_sentence(tmp_path: Path, arguments: list[str]) -> None:
    result = run(*(str(tmp_path / "key") if argument == "KEY" else argument for argument in arguments))
    assert result.exit_code in (1, 3)
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


def test_hash_prints_fingerprints_or_one_sentence(tmp_path: Path) -> None:
    from PIL import Image

    Image.linear_gradient("L").save(tmp_path / "picture.png")
    found = json.loads(run("hash", tmp_path / "picture.png").stdout)
    assert (len(found["phash"]), len(found["pdq"]), len(found["dihedral_phash"])) == (16, 64, 8)
    (tmp_path / "text").write_text("no picture")
    refused = run("hash", tmp_path / "text", tmp_path / "picture.png")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert str(tmp_path / "text") in refused.stderr
    assert json.loads(refused.stdout) == found
