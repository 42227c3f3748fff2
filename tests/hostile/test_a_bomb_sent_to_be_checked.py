"""A stranger sends small files to be checked that a computer makes much of: JSON of millions of values, zips of zips, long strings."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from demur.digests import canonical_json
from demur.receipts import commitment
from demur.receipts.statement import PAYLOAD_TYPE
from demur.runs.record import PAYLOAD_TYPE as RECORD_TYPE
from demur.signing import SigningKey
from demur.tlog import merkle
from demur.tlog.checkpoint import LogCheckpoint
from tests.hostile.measuring import run_measured
from tests.hostile.verifying import answer_to
from tests.support.receipt_vectors import RECEIPTS

KEY = SigningKey.generate("stranger")
BIG = 7_800_000
STARTS = ('{"payload":', '{"checkpoint":', '{"proof":', '[{"payload":', "[")


def zipped(*files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number, data in enumerate(files):
            archive.writestr(f"{number}.json", data)
    return out.getvalue()


def lists(start: str, size: int = BIG) -> bytes:
    return start.encode() + b"[" + b"[]," * (size // 3) + b"1]" + (b"}" if "{" in start else b"]")


def posted(tmp_path: Path, *files: bytes) -> str:
    """The page's answer to these files, which take little of anything."""
    (tmp_path / "files").mkdir()
    for number, data in enumerate(files):
        (tmp_path / "files" / f"{number}.zip").write_bytes(data)
    keys = {"log_keys": str(KEY.verifier), "run_keys": str(KEY.verifier), "list_keys": str(KEY.verifier)}
    measured, told = answer_to(tmp_path, keys)
    assert told["status"] == 200
    assert told["seconds"] < 5, told["seconds"]
    measured.refuse_costly(most_seconds=60)  # with the start of a portal
    return told["text"]


@pytest.mark.parametrize("start", STARTS)
def test_a_file_of_millions_of_values_is_refused_before_it_is_parsed(tmp_path: Path, start: str):
    (tmp_path / "evidence.zip").write_bytes(zipped(lists(start), lists(start)))
    measured = run_measured(["-m", "demur", "verify", str(tmp_path / "evidence.zip"), "--log-key", str(KEY.verifier)])
    assert measured.code in (1, 3), measured.output
    measured.refuse_costly(most_mb=350, most_seconds=20)  # parsed, it would hold more than 500 MB


def test_all_zips_of_a_request_unpack_to_no_more_than_one_may(tmp_path: Path):
    text = posted(tmp_path, *[zipped(*(lists(start) for start in STARTS[:2]))] * 50)
    assert re.search("are unpacked here|took all the time that is spent on one request", text), "whichever bound comes first"


def signed(payload: bytes, kind: str) -> bytes:
    return KEY.sign(payload, kind)


def receipt(payload: bytes) -> bytes:
    """Of a statement that the stranger signs, under a checkpoint that they sign, too."""
    told = json.loads((RECEIPTS / "good" / "opt_out_filed.json").read_bytes())
    leaf = merkle.leaf_hash(commitment(bytes(32), payload))
    checkpoint = str(LogCheckpoint(KEY.name, 1, leaf).sign(KEY))
    told |= {
        "statement": json.loads(KEY.sign(payload, PAYLOAD_TYPE)),
        "salt": "00" * 32,
        "leaf_index": 0,
        "proof": [],
        "checkpoint": checkpoint,
    }
    return canonical_json(told) + b"\n"


def statement(**changes: object) -> bytes:
    told = {"format": "demur-statement/1", "kind": "opt_out_filed", "at": "2026-11-21T12:00:00Z", "reference": "DM-1"}
    return canonical_json(told | {"photos": [], "pictures": [], "owners": []} | changes)


def numbers(size: int) -> list[str]:
    return sorted(f"{number:x}" for number in range(size // 6))


PAYLOADS: dict[str, Callable[[], bytes]] = {
    "lists in a statement": lambda: receipt(lists('{"a":', 1_400_000)),
    "a statement of many photos": lambda: receipt(statement(photos=numbers(1_400_000))),
    "a statement of many owners": lambda: receipt(statement(owners=numbers(1_400_000))),
    "a statement of one long owner": lambda: receipt(statement(owners=["a \u202e" * 350_000])),
    "a statement of many escapes": lambda: receipt(statement(reference="\x01\t" * 150_000)),
    "a long kind": lambda: receipt(canonical_json({"kind": "\u202e" * 400_000})),
    "lists in a record": lambda: signed(lists('{"a":', 1_400_000), RECORD_TYPE),
    "an envelope of a long kind": lambda: signed(b"{}", "\x01\u202e" * 200_000),
    "an envelope signed by a long name": lambda: canonical_json(
        {"payload": "", "payloadType": RECORD_TYPE, "signatures": [{"keyid": "\u202e" * 600_000, "sig": ""}]}
    ),
    "lists in lists": lambda: b'{"payload":' + b"[" * 900_000 + b"]" * 900_000 + b"}",
    "a number of many digits": lambda: b'{"payload":' + b"9" * 1_800_000 + b"}",
    "many numbers": lambda: b'{"proof":[' + b"1," * 900_000 + b"1]}",
    "a checkpoint of many lines": lambda: b"a\n1\nb\n\n" + "— a b\n".encode() * 200_000,
    "a proof about a long name": lambda: canonical_json(
        {"format": "demur-absence-proof/1", "run_id": "\u202e" * 300_000, "uid": "\u202e" * 300_000, "before": None, "after": None}
    ),
    "a sentence of spaces": lambda: receipt(statement(reference="a" + " " * 1_400_000)),
}


@pytest.mark.parametrize("part", range(3))
def test_whatever_is_signed_by_a_key_of_ones_own_costs_little_and_is_shown_in_brief(tmp_path: Path, part: int):
    files = [payload() for payload in list(PAYLOADS.values())[part::3]]
    text = posted(tmp_path, zipped(*files))
    assert len(text) < 200_000
