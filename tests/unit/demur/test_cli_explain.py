"""`demur explain` as its users call it: which entry excludes a row, in plain words."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from demur.cli import main
from demur.exclusions import Entry, KeyKind
from demur.signing import SigningKey
from tests.support.exclusion_lists import build_version_for_today, publish_version

KEY = SigningKey.generate("op.example")
SHA, PDQ = "ab" * 32, bytes(range(32)).hex()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    entries = [
        Entry(KeyKind.UID, "a1"),
        Entry(KeyKind.URL, "http://x/?a=b"),
        Entry(KeyKind.OWNER, "bob"),
        Entry(KeyKind.SHA256, SHA),
        Entry(KeyKind.PHASH, "0123456789abcdef", PDQ),
    ]
    publish_version(tmp_path, KEY, build_version_for_today(entries))
    return tmp_path


def explain(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", "--list", str(directory), "--key", str(KEY.verifier), *arguments])


@pytest.mark.parametrize(
    ("arguments", "entry", "words"),
    [
        (["uid=a1"], "uid a1", "its uid is on the list"),
        (["KEY=a1", "caption=a=b"], "uid a1", "its uid"),
        (["url=http://x/?a=b"], "url http://x/?a=b", "its address"),
        (["--row", '{"uid": 7, "User": "bob"}'], "owner bob", "everything of its owner"),
        ([f"sha256={SHA.upper()}"], f"sha256 {SHA}", "byte for byte"),
        (["phash=0123456789abcdee", f"pdq={PDQ}", "pdq_quality=50"], f"phash 0123456789abcdef {PDQ}", "near duplicate"),
    ],
)
def test_the_entry_is_named_with_its_reason(directory: Path, arguments: list[str], entry: str, words: str) -> None:
    result = explain(directory, *arguments)
    assert (result.exit_code, result.stderr) == (4, "")
    assert words in result.stdout
    assert f"  entry: {entry}\n" in result.stdout
    facts = json.loads(explain(directory, *arguments, "--json").stdout)
    assert facts["excluded"]
    assert words in facts["why"]
    assert facts["entry"]["kind"] == entry.split()[0]


def test_a_kept_row_is_told_with_what_could_not_be_compared(directory: Path) -> None:
    result = explain(directory, "uid=a2", "owner=ada")
    assert result.exit_code == 0
    assert result.stdout == "Kept: no entry of version 1 of op.example/opt-outs excludes this row.\n"
    assert [line.split(" has ")[1].split(",")[0] for line in result.stderr.splitlines()] == [
        "1 sha256 entries",
        "1 url entries",
        "1 phash entries",
    ]
    facts = json.loads(explain(directory, "uid=a2", "--json").stdout)
    assert (facts["excluded"], facts["entry"], facts["why"]) == (False, None, None)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["uid"], 2),
        (["=a1"], 2),
        (["--row", "[1]"], 2),
        (["--row", "{"], 2),
        (["sha256=short"], 2),
        (["uid=a2", "phash=xyz"], 2),
        (["caption=x"], 1),
        ([], 1),
    ],
)
def test_what_cannot_be_compared_is_refused_and_not_called_kept(directory: Path, arguments: list[str], code: int) -> None:
    result = explain(directory, *arguments)
    assert (result.exit_code, result.stdout) == (code, "")


def test_a_whole_number_beyond_64_bits_is_compared(tmp_path: Path) -> None:
    publish_version(tmp_path, KEY, build_version_for_today([Entry(KeyKind.UID, "9" * 30)]))
    assert explain(tmp_path, "--row", f'{{"uid": {"9" * 30}}}').exit_code == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["--row", '{"uid": "\\ud83d\\u001b[2J"}'],
        ["uid=\ud83d\x1b[2J"],
        ["\ud83d\x1b[2J"],
        ["sha256=\x1b[2J\u202e"],
        ["--row", '{"uid": [1, "\\u001b"]}'],
    ],
)
def test_half_a_character_or_an_escape_is_refused_in_one_escaped_sentence(directory: Path, arguments: list[str]) -> None:
    result = explain(directory, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert not set("\x1b\u202e\ud83d") & set(result.stderr)
