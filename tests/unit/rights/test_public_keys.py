"""The public halves of the keys: what the web tier reads."""

import shutil
from pathlib import Path

import pytest

from demur.signing import SigningKey, VerifyKey
from rights.public_keys import DamagedKey, KeyOfAnotherRole, PublicKeys
from rights.signing_keys import SigningKeys, make_keys


@pytest.fixture
def keys(tmp_path: Path) -> PublicKeys:
    make_keys(tmp_path / "keys", "op.example")
    return PublicKeys(tmp_path / "keys", tmp_path / "list")


def test_they_are_read_without_any_private_key(keys: PublicKeys):
    signing = SigningKeys(keys.keys_dir, keys.list_dir)
    listed, logged, runs = signing.list_key().verifier, signing.log_key().verifier, signing.run_signer().verifier
    for private in keys.keys_dir.glob("*.pem"):
        private.unlink()
    assert (keys.list_key(), keys.log_key(), keys.run_signers(), keys.witnesses()) == (listed, logged, (runs,), ())
    assert keys.trust().to_text() == f"list {listed}\nlog {logged}\nrun {runs}\n"


def test_a_data_directory_from_before_gets_the_lists_public_half(keys: PublicKeys):
    made = keys.list_key()
    (keys.keys_dir / "list.vkey").unlink()
    assert keys.list_key() is None
    make_keys(keys.keys_dir, "op.example")
    assert keys.list_key() == made


@pytest.mark.parametrize("name", ["list.vkey", "log.vkey", "runs/run-signer.vkey"])
@pytest.mark.parametrize("content", [b"", b"no key", b"\xff\xfe", b"op.example+00000000+AAAA"])
def test_a_damaged_key_is_an_error_by_name_and_no_missing_key(keys: PublicKeys, name: str, content: bytes):
    (keys.keys_dir / name).write_bytes(content)
    with pytest.raises(DamagedKey, match=Path(name).name):
        keys.trust()


@pytest.mark.parametrize("name", ["list.vkey", "log.vkey", "runs/run-signer.vkey", "../list/rotations.json"])
def test_a_directory_in_the_place_of_a_key_is_named(keys: PublicKeys, name: str):
    (keys.keys_dir / name).unlink(missing_ok=True)
    (keys.keys_dir / name).mkdir(parents=True)
    with pytest.raises(DamagedKey, match=f"{Path(name).name} cannot be read"):
        keys.trust()


def test_a_file_in_the_place_of_the_directory_of_signers_is_named(keys: PublicKeys):
    shutil.rmtree(keys.keys_dir / "runs")
    (keys.keys_dir / "runs").write_text("")
    with pytest.raises(DamagedKey, match="directory runs of keys cannot be read"):
        keys.trust()


def test_signers_of_runs_are_files(keys: PublicKeys):
    trainer = SigningKey.generate("trainer").verifier
    (keys.keys_dir / "runs" / "trainer.vkey").write_text(f"{trainer}\n")
    assert trainer in keys.run_signers()


@pytest.mark.parametrize("name", ["op.example", "op.example/log"])
def test_nobody_who_signs_runs_is_named_like_the_list_or_the_log(keys: PublicKeys, name: str):
    (keys.keys_dir / "runs" / "trainer.vkey").write_text(f"{SigningKey.generate(name).verifier}\n")
    with pytest.raises(KeyOfAnotherRole, match="remove it"):
        keys.run_signers()


def test_nobody_signs_runs_by_the_key_of_the_list_under_another_name(keys: PublicKeys):
    listed = keys.list_key()
    assert listed is not None
    (keys.keys_dir / "runs" / "trainer.vkey").write_text(f"{VerifyKey('trainer', listed.public)}\n")
    with pytest.raises(KeyOfAnotherRole):
        keys.trust()
