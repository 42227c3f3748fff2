"""What stands in tests/vectors/receipt and tests/vectors/transparency-log is what the code writes and reads, to the byte."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from demur.errors import DemurError
from demur.receipts import LogKind, Receipt
from demur.signing import VerifyKey
from demur.tlog import merkle
from demur.tlog.checkpoint import LogCheckpoint, WitnessKey
from tests.support.receipt_vectors import AT, LOG, RECEIPTS, files, log, statements, write_log

KEY = VerifyKey.load(RECEIPTS / "log.vkey")
GOOD = sorted((RECEIPTS / "good").iterdir())
REFUSED: list[dict[str, str]] = json.loads((RECEIPTS / "refused.json").read_text())


def kept_in(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.suffix != ".txt"
    }


def test_the_receipts_are_written_as_they_were():
    assert kept_in(RECEIPTS) == files()


def test_the_log_is_written_as_it_was(tmp_path: Path):
    write_log(tmp_path / "log")
    assert kept_in(tmp_path / "log") == kept_in(LOG)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_receipts_hold(path: Path):
    statement, checkpoint = Receipt.parse(path.read_bytes()).verify(KEY)
    assert statement == statements().get(path.stem, statements()["opt_out_filed"])
    assert checkpoint.root == merkle.root(map(merkle.leaf_hash, log().leaves[: checkpoint.size]))


def test_there_is_one_of_every_kind():
    assert {Receipt.parse(path.read_bytes()).verify(KEY)[0].kind for path in GOOD} == set(LogKind)


@pytest.mark.parametrize("vector", REFUSED, ids=lambda vector: vector["why"])
def test_the_others_are_refused(vector: dict[str, Any]):
    with pytest.raises(DemurError) as refusal:
        Receipt.parse(base64.b64decode(vector["data"])).verify(KEY)
    assert type(refusal.value).__name__ == vector["error"]


@pytest.mark.parametrize("number", [1, 2])
def test_the_witnesses_have_seen_it(number: int):
    witness = WitnessKey.load(RECEIPTS / f"witness-{number}.vkey")
    receipt = Receipt.parse((RECEIPTS / "good" / "cosigned.json").read_bytes())
    for text in (receipt.checkpoint, (LOG / "checkpoint").read_text()):
        assert LogCheckpoint.open(text, KEY).seen_at(witness) == AT + timedelta(seconds=number)
