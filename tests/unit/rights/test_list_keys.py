"""A new key for the list: announced by the old one, and in an order that a crash cannot harm."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from demur.exclusions import ExclusionList
from demur.exclusions.rotation import RotationRefused
from demur.signing import SigningKey, VerifyKey
from models import AuditEvent, Outbox
from rights import list_keys
from rights.list_keys import rotate, signing_key
from rights.lists import KeyRotated, publish
from rights.optouts import Photos
from rights.signing_keys import make_keys
from tests.factories import NOW
from tests.unit.rights.office import Office

HOUR = timedelta(hours=1)


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    make_keys(tmp_path / "keys", "test")
    return tmp_path / "keys"


def publish_with(office: Office, key: SigningKey, now=NOW):
    with office.preparing(now, key) as prepared, office.sessions.begin() as session:
        return publish(session, prepared)


def rotate_key(office: Office, keys_dir: Path):
    with office.sessions.begin() as session:
        return rotate(session, keys_dir, office.list_dir, "test", NOW)


def opt_out(office: Office, uid: str) -> None:
    office.file(office.account(uid.partition("-")[0]), Photos((uid,)))
    office.propagate()


def read(office: Office, key: VerifyKey) -> ExclusionList:
    return ExclusionList.open(office.list_dir, key=key, now=NOW + HOUR)


@pytest.fixture
def first(office: Office, keys_dir: Path) -> SigningKey:
    """The key that signed version 1."""
    key = signing_key(keys_dir, office.list_dir)
    opt_out(office, "ada-1")
    assert publish_with(office, key).version == 1
    return key


def test_the_next_version_is_due_and_signed_by_the_new_key(office: Office, keys_dir: Path, first: SigningKey):
    rotation = rotate_key(office, keys_dir)
    new = signing_key(keys_dir, office.list_dir)
    assert (rotation.old, rotation.new, rotation.from_version) == (first.verifier, new.verifier, 2)
    assert publish_with(office, new).version == 2, "although nothing changed"
    assert publish_with(office, new) is None
    for key in (first, new):
        assert read(office, key.verifier).head.version == 2
    with office.sessions() as session:
        assert session.scalars(select(AuditEvent.action).where(AuditEvent.action == "list.key_rotated")).all() == ["list.key_rotated"]
        assert session.scalars(select(Outbox.topic).where(Outbox.topic == "publish_list")).all()


def test_the_old_private_key_is_kept_aside_and_unreadable_to_others(office: Office, keys_dir: Path, first: SigningKey):
    rotate_key(office, keys_dir)
    kept = keys_dir / f"list-{first.verifier.key_hash.hex()}.pem"
    assert SigningKey.load(kept).verifier == first.verifier
    for file in (kept, keys_dir / "list.pem"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not (keys_dir / "list.next.pem").exists()


def test_a_worker_that_loaded_the_old_key_before_publishes_nothing_by_it(office: Office, keys_dir: Path, first: SigningKey):
    rotate_key(office, keys_dir)
    opt_out(office, "ben-1")
    with pytest.raises(KeyRotated):
        publish_with(office, first)
    assert read(office, first.verifier).head.version == 1


def test_a_key_is_rotated_only_once_it_signed_something(office: Office, keys_dir: Path):
    with pytest.raises(RotationRefused, match="nothing was published"):
        rotate_key(office, keys_dir)


def test_the_next_rotation_waits_until_the_last_one_is_in_effect(office: Office, keys_dir: Path, first: SigningKey):
    rotate_key(office, keys_dir)
    with pytest.raises(RotationRefused, match="version 2"):
        rotate_key(office, keys_dir)
    publish_with(office, signing_key(keys_dir, office.list_dir))
    rotate_key(office, keys_dir)
    assert publish_with(office, signing_key(keys_dir, office.list_dir)).version == 3
    assert read(office, first.verifier).head.version == 3


@pytest.mark.parametrize("step", ["_next_key", "announce", "_finish"])
def test_a_crash_in_between_harms_nothing(office: Office, keys_dir: Path, first: SigningKey, step: str, monkeypatch: pytest.MonkeyPatch):
    """The step is done, and then the power goes; `_finish` also stands for a crash right before it."""
    done = getattr(list_keys, step)

    def crash(*arguments):
        if step != "_finish":
            done(*arguments)
        elif not (keys_dir / "list.next.pem").exists():
            return
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(list_keys, step, crash)
        with pytest.raises(KeyboardInterrupt):
            rotate_key(office, keys_dir)
    opt_out(office, "ben-1")
    key = signing_key(keys_dir, office.list_dir)
    assert (key.verifier == first.verifier) is (step == "_next_key"), "what is announced signs"
    assert publish_with(office, key, NOW + HOUR).version == 2
    assert read(office, first.verifier).head.version == 2
    rotate_key(office, keys_dir)
    assert publish_with(office, signing_key(keys_dir, office.list_dir), NOW + HOUR).version == 3
    assert read(office, first.verifier).head.version == 3
