"""H3: many keys of one name, many checkpoints, many signatures: a product of lengths that the stranger chooses."""

import base64
from pathlib import Path

from demur.signing import SigningKey
from demur.tlog.checkpoint import LogCheckpoint
from tests.hostile.verifying import answer_to

NAME = "stranger/log"


def checkpoint(number: int) -> bytes:
    lines = "".join(f"\u2014 {NAME} {base64.b64encode(line.to_bytes(4, 'big') + bytes(64)).decode()}\n" for line in range(64))
    return f"{LogCheckpoint(NAME, number, bytes(32)).body}\n{lines}".encode()


def test_keys_and_files_are_bounded_before_any_is_tried(tmp_path: Path):
    directory = tmp_path / "files"
    directory.mkdir()
    for number in range(1000):
        (directory / f"{number:04d}").write_bytes(checkpoint(number))
    keys = "\n".join(str(SigningKey.generate(NAME).verifier) for _ in range(2000))
    _, told = answer_to(tmp_path, {"log_keys": keys})
    assert told["status"] == 413
    assert told["seconds"] < 5


def test_more_keys_than_anybody_trusts_are_refused(tmp_path: Path):
    directory = tmp_path / "files"
    directory.mkdir()
    (directory / "checkpoint").write_bytes(checkpoint(1))
    keys = "\n".join(str(SigningKey.generate(NAME).verifier) for _ in range(2000))
    _, told = answer_to(tmp_path, {"log_keys": keys})
    assert told["status"] == 422
    assert "more than 16 keys" in told["text"]
    assert told["seconds"] < 5


def test_the_most_that_is_taken_is_checked_in_time(tmp_path: Path):
    directory = tmp_path / "files"
    directory.mkdir()
    for number in range(50):
        (directory / f"{number:04d}").write_bytes(checkpoint(number))
    keys = "\n".join(str(SigningKey.generate(NAME).verifier) for _ in range(16))
    measured, told = answer_to(tmp_path, {"log_keys": keys})
    measured.refuse_costly(most_seconds=60)  # with the start of a portal
    assert told["status"] == 200
    assert "50 of 50 could not be checked." in told["text"]
    assert told["seconds"] < 5
