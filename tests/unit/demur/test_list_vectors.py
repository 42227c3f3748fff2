"""What stands in tests/vectors/exclusion-list is read as the format says, and would be written so again."""

import json
from pathlib import Path

import pytest

from demur.exclusions import ExclusionList
from demur.exclusions.entry_proof import EntryProof
from demur.exclusions.history import History, read_keys
from demur.exclusions.sources import DirectorySource
from demur.signing import VerifyKey
from demur.tlog import merkle
from tests.support.exclusion_lists import NOW
from tests.support.list_vectors import LISTS, told, versions

EXPECTED = json.loads((LISTS / "expected.json").read_text())
SOURCE = DirectorySource(LISTS / "list")
OLD, NEW = (VerifyKey.load(LISTS / f"{name}.vkey") for name in ("old", "new"))


def test_entries_leaves_and_roots_are_written_as_they_were():
    assert [told(version) for version in versions()] == EXPECTED


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: f"version {expected['version']}")
@pytest.mark.parametrize("key", [OLD, NEW], ids=["old key", "new key"])
def test_each_version_is_read_by_either_key(expected: dict, key: VerifyKey):
    history = History(SOURCE, read_keys(SOURCE, key))
    version = history.read(history.head(expected["version"]))
    assert version.head.root == expected["root"]
    assert [[entry.kind.value, entry.key, entry.pdq] for entry in version.entries] == [row["entry"] for row in expected["entries"]]


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: f"version {expected['version']}")
def test_the_root_is_that_of_the_leaf_hashes(expected: dict):
    assert merkle.root(bytes.fromhex(row["leaf_hash"]) for row in expected["entries"]).hex() == expected["root"]


def test_a_reader_opens_the_newest_version():
    assert len(ExclusionList.open(LISTS / "list", key=OLD, now=NOW).entries) == 0


def test_the_entry_proof_holds():
    history = History(SOURCE, read_keys(SOURCE, NEW))
    EntryProof.from_json((LISTS / "entry-proof.json").read_bytes()).verify(history.head(3))


def test_the_list_is_whole():
    assert {path.name for path in Path(LISTS / "list" / "versions").iterdir()} == {"1", "2", "3", "4"}
