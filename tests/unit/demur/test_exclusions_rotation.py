"""Key rotation: a reader given any of a list's keys follows to the newest, and a stolen old one is of no use."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.cli import main
from demur.digests import canonical_json
from demur.exclusions import ExclusionList, ListRefused, Version
from demur.exclusions.rotation import Keyring, Rotation, RotationRefused, announce, read_rotations
from demur.exclusions.trusted import BadRotation, KeyTakenBack, ReachedKey, UnknownKey
from demur.signing import SigningKey, VerifyKey
from tests.support.exclusion_lists import LIST_ID, NOW, build, publish, publish_version, serve, sign_head, uids

KEYS = [SigningKey.generate("op.example") for _ in range(3)]
FIRST, SECOND, THIRD = KEYS
STRANGER = SigningKey.generate("op.example")


def opened(place: str | Path, key: SigningKey = FIRST, state: Path | None = None) -> ExclusionList:
    return ExclusionList.open(place, key=key.verifier, token="secret", state=state, now=NOW)


def file(*rotations: bytes) -> bytes:
    return canonical_json([json.loads(rotation) for rotation in rotations])


def told(number: int = 1, old: SigningKey = FIRST, new: SigningKey = SECOND, from_version: int = 2, list_id: str = LIST_ID) -> bytes:
    return Rotation(list_id, number, old.verifier, new.verifier, from_version).envelope(old, new)


SECOND_ROTATION = told(2, SECOND, THIRD, 4)


@pytest.fixture
def rotated(tmp_path: Path) -> Path:
    """Version 1 by the first key, 2 and 3 by the second, 4 by the third."""
    directory = tmp_path / "list"
    directory.mkdir()
    version = publish(directory, FIRST, uids("a"))
    announce(directory, FIRST, SECOND, LIST_ID, 2)
    version = publish(directory, SECOND, uids("a", "c"), publish(directory, SECOND, uids("a", "b"), version))
    announce(directory, SECOND, THIRD, LIST_ID, 4)
    publish(directory, THIRD, uids("d"), version)
    return directory


@pytest.fixture
def rotated_today(tmp_path: Path) -> Path:
    """By the real clock: version 1 by the first key, 2 and 3, without a whole file, by the second."""
    directory = tmp_path / "list"
    version, signer = None, FIRST
    for names in ("a", "ab", "b"):
        version = build(uids(*names), version, datetime.now(UTC))
        publish_version(directory, signer, version)
        if signer is FIRST:
            announce(directory, FIRST, SECOND, LIST_ID, 2)
            signer = SECOND
    return directory


def told_by(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(main, [*arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize("key", [FIRST, SECOND])
def test_the_commands_follow_a_rotation(rotated_today: Path, tmp_path: Path, key: SigningKey) -> None:
    code, told = told_by("verify", str(rotated_today), "--list-key", str(key.verifier))
    assert code == 0
    assert [file["kind"] for file in told["files"]] == ["key rotations", "signed statement", "list entries"]
    assert str(SECOND.verifier) in told["files"][0]["proves"]
    assert "exactly the 1 entries of version 3" in told["files"][2]["proves"]
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("uid\na\nb\n")
    out = tmp_path / "kept.csv"
    code, told = told_by("filter", str(manifest), "--list", str(rotated_today), "--key", str(key.verifier), "--out", str(out))
    assert (code, told["kept"]) == (0, 1)
    assert out.read_text() == "uid\na\n"


def test_verify_refuses_rotations_of_strangers_and_heads_by_spent_keys(rotated_today: Path) -> None:
    code, told = told_by("verify", str(rotated_today), "--list-key", str(STRANGER.verifier))
    assert code != 0
    assert {file["answer"] for file in told["files"]} == {"could not be checked"}
    head = rotated_today / "head.dsse.json"
    head.write_bytes(sign_head(Keyring((SECOND.verifier,)).open_head(head.read_bytes()), FIRST))
    code, told = told_by("verify", str(rotated_today), "--list-key", str(FIRST.verifier))
    assert code != 0
    assert [file["error"] for file in told["files"]] == ["", "SpentKey", "UnknownKey"]


@pytest.mark.parametrize("key", KEYS)
def test_any_key_of_the_list_leads_to_its_newest_version(rotated: Path, key: SigningKey) -> None:
    with serve(rotated) as server:
        for place in (rotated, server.url):
            exclusions = opened(place, key)
            assert exclusions.head.version == 4
            assert list(exclusions.entries) == uids("d")


def test_a_reader_follows_a_rotation_while_it_runs(tmp_path: Path) -> None:
    first = publish(tmp_path, FIRST, uids("a"))
    exclusions = opened(tmp_path)
    announce(tmp_path, FIRST, SECOND, LIST_ID, 2)
    assert not exclusions.update(NOW), "announced, and the head is the old one"
    publish(tmp_path, SECOND, uids("b"), first)
    assert exclusions.update(NOW)
    assert list(exclusions.entries) == uids("b")


def test_a_head_by_the_old_key_is_refused_from_the_announced_version_on(tmp_path: Path) -> None:
    first = publish(tmp_path, FIRST, uids("a"))
    announce(tmp_path, FIRST, SECOND, LIST_ID, 2)
    publish(tmp_path, FIRST, uids("b"), first)
    for key in (FIRST, SECOND):
        with pytest.raises(UnknownKey):
            opened(tmp_path, key)


def test_a_head_by_the_new_key_is_refused_before_the_announced_version(tmp_path: Path) -> None:
    publish(tmp_path, SECOND, uids("a"))
    announce(tmp_path, FIRST, SECOND, LIST_ID, 2)
    with pytest.raises(UnknownKey):
        opened(tmp_path)


def test_without_the_announcement_a_new_key_is_unknown(rotated: Path) -> None:
    (rotated / "rotations.json").unlink()
    with pytest.raises(UnknownKey):
        opened(rotated)
    with pytest.raises(UnknownKey):
        opened(rotated, STRANGER)


def test_a_key_that_the_list_never_had_is_unknown(rotated: Path) -> None:
    with pytest.raises(UnknownKey, match="never signed"):
        opened(rotated, STRANGER)


def forge(directory: Path, key: SigningKey, version: int) -> Version:
    """A history by somebody who stole a key, in the place of the true one."""
    forged = None
    for number in range(version):
        forged = build(uids(f"forged {number}"), forged)
        publish_version(directory, key, forged)
    assert forged is not None
    (directory / "head.dsse.json").write_bytes(sign_head(forged.head, key))
    return forged


@pytest.mark.parametrize("rotations", [None, file(told(1, FIRST, STRANGER, 2)), file(told())])
def test_a_stolen_old_key_cannot_take_a_reader_back(rotated: Path, tmp_path: Path, rotations: bytes | None) -> None:
    state = tmp_path / "state.json"
    opened(rotated, state=state)
    thief = tmp_path / "thief"
    thief.mkdir()
    forge(thief, FIRST, 9)
    if rotations is not None:
        (thief / "rotations.json").write_bytes(rotations)
    with pytest.raises(KeyTakenBack):
        opened(thief, state=state)
    assert json.loads(state.read_bytes())["version"] == 4


def test_a_running_reader_remembers_the_key_that_it_reached(rotated: Path) -> None:
    exclusions = opened(rotated)
    (rotated / "rotations.json").unlink()
    (rotated / "head.dsse.json").write_bytes(sign_head(replace(exclusions.head, version=5, previous_version=4), FIRST))
    with pytest.raises(KeyTakenBack):
        exclusions.update(NOW)


def test_the_state_file_keeps_the_newest_key_that_any_process_reached(rotated: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    early = tmp_path / "early"
    early.mkdir()
    publish(early, FIRST, uids("a"))
    opened(early, state=state)
    assert json.loads(state.read_bytes())["key"] == {"number": 0, "text": str(FIRST.verifier)}
    opened(rotated, state=state)
    assert json.loads(state.read_bytes())["key"] == {"number": 2, "text": str(THIRD.verifier)}


@pytest.mark.parametrize(
    ("rotations", "reason"),
    [
        (b"", "not JSON"),
        (b"[]", "at least one"),
        (b"{}", "at least one"),
        (b"[ " + told() + b"]", "canonical"),
        (file(b"{}"), "unreadable"),
        (file(told(2)), "in the place of"),
        (file(told(from_version=1)), "signed already"),
        (file(told(new=FIRST)), "signed twice by one key"),
        (file(SECOND_ROTATION), "in the place of"),
        (file(told(), told(2, FIRST, THIRD, 4)), "does not follow"),
        (file(told(), told(2, SECOND, THIRD, 4, list_id="another")), "does not follow"),
        (file(told(), told(2, SECOND, THIRD, 2)), "signed already"),
        (file(told(list_id="another")), "not those of the list"),
        (file(FIRST.sign(json.loads(json.dumps("x")).encode(), "application/vnd.demur.key-rotation+json")), "unreadable"),
    ],
)
def test_rotations_that_do_not_follow_are_refused(tmp_path: Path, rotations: bytes, reason: str) -> None:
    publish(tmp_path, FIRST, uids("a"))
    (tmp_path / "rotations.json").write_bytes(rotations)
    with pytest.raises(BadRotation, match=reason):
        opened(tmp_path)


@pytest.mark.parametrize("signers", [(FIRST, FIRST), (SECOND, SECOND), (FIRST, STRANGER), (STRANGER, SECOND)])
def test_a_rotation_is_signed_by_both_keys(signers: tuple[SigningKey, SigningKey]) -> None:
    rotation = Rotation(LIST_ID, 1, FIRST.verifier, SECOND.verifier, 2)
    with pytest.raises(BadRotation):
        read_rotations(file(rotation.envelope(*signers)))


def test_announcing_the_same_again_changes_nothing_and_a_spent_key_announces_nothing(tmp_path: Path) -> None:
    announce(tmp_path, FIRST, SECOND, LIST_ID, 2)
    before = (tmp_path / "rotations.json").read_bytes()
    announce(tmp_path, FIRST, SECOND, LIST_ID, 2)
    assert (tmp_path / "rotations.json").read_bytes() == before
    with pytest.raises(RotationRefused, match="any more"):
        announce(tmp_path, FIRST, THIRD, LIST_ID, 3)
    with pytest.raises(BadRotation, match="signed already"):
        announce(tmp_path, SECOND, THIRD, LIST_ID, 2)
    assert (tmp_path / "rotations.json").read_bytes() == before


@settings(deadline=None)
@given(st.lists(st.integers(2, 40), min_size=1, max_size=5, unique=True).map(sorted), st.integers(1, 45))
def test_each_version_has_one_key(starts: list[int], version: int) -> None:
    keys = [SigningKey.generate(f"key-{number}") for number in range(len(starts) + 1)]
    rotations = [told(number, keys[number - 1], keys[number], start) for number, start in enumerate(starts, start=1)]
    ring = Keyring.of(keys[0].verifier, file(*rotations))
    assert ring.key_of(version) == keys[sum(start <= version for start in starts)].verifier
    assert ring.reached == ReachedKey(len(starts), keys[-1].verifier)


@given(st.binary(max_size=200))
def test_rubbish_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(ListRefused):
        Keyring.of(VerifyKey.parse(str(FIRST.verifier)), data)


def test_another_key_than_the_lists_is_called_that_although_the_state_knows_the_lists(tmp_path: Path) -> None:
    """Such as the log's key given for the list's: nobody took a key back."""
    publish(tmp_path / "list", FIRST, uids("a"))
    state = tmp_path / "state.json"
    opened(tmp_path / "list", state=state)
    with pytest.raises(UnknownKey, match="is not this list's"):
        opened(tmp_path / "list", STRANGER, state=state)
