"""What two readers could read differently is read by none: the same files as the browser's tests have."""

import struct
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demur.signing import VerifyKey
from demur.trust import Trust
from demur.verifying import BundleLimits, Document, unpacked, verify_documents
from demur.verifying.documents import Member
from demur.verifying.findings import BadBundle
from demur.verifying.zips import ZippedFile
from tests.support.odd_files import GOOD, odd_bundles, odd_spellings, zipped
from tests.support.receipt_vectors import LOG_KEY

BUNDLES = list(odd_bundles())
LIMITS = BundleLimits(members=10, total_bytes=10**7)
RUN = Path(__file__).parents[2] / "vectors" / "run-record"
LIST = Path(__file__).parents[2] / "vectors" / "exclusion-list"


@pytest.mark.parametrize(("odd", "bundle", "answers"), BUNDLES, ids=[odd for odd, *_ in BUNDLES])
def test_a_bundle_has_one_reading_or_none(tmp_path: Path, odd: str, bundle: bytes, answers: list[str]):
    (tmp_path / "evidence.zip").write_bytes(bundle)
    for place in (bundle, tmp_path / "evidence.zip"):
        files = unpacked(Document("evidence.zip", place), LIMITS).documents
        findings = verify_documents(files, Trust(logs=(LOG_KEY.verifier,)), datetime.now(UTC))
        assert [finding.answer for finding in findings] == answers
        assert all(finding.error == "BadBundle" for finding in findings if finding.answer == "could not be checked")


@pytest.fixture(scope="module")
def many() -> bytes:
    """So many files that the end of a zip file cannot count them: a second end does, and a locator leads to it."""
    return zipped(*((f"{number}", b"") for number in range(65_537)))


LOCATOR, SECOND_END = -22 - 20, -22 - 20 - 56


@pytest.mark.parametrize(
    ("place", "data"),
    [
        (LOCATOR + 4, struct.pack("<L", 7)),
        (LOCATOR + 8, struct.pack("<Q", 12_345)),
        (LOCATOR + 16, struct.pack("<L", 2)),
        (LOCATOR + 16, struct.pack("<L", 0)),
        (SECOND_END + 4, struct.pack("<Q", 45)),
        (SECOND_END + 16, struct.pack("<L", 1)),
        (SECOND_END + 24, struct.pack("<Q", 65_536)),
        (SECOND_END + 40, struct.pack("<Q", 0)),
        (SECOND_END + 48, struct.pack("<Q", 0)),
    ],
    ids=["another disk", "elsewhere", "two disks", "no disk", "longer", "on another disk", "counts fewer here", "no size", "at the start"],
)
def test_whatever_a_second_end_says_it_says_as_the_first_and_where_its_locator_leads(many: bytes, place: int, data: bytes):
    odd = bytearray(many)
    odd[place : place + len(data)] = data
    (one,) = unpacked(Document("evidence.zip", bytes(odd)), BundleLimits(members=70_000, total_bytes=10**7)).documents
    assert isinstance(one.place, BadBundle)
    assert "its two ends say different things" in str(one.place)


@pytest.mark.parametrize("before", [b"", b"#!/bin/sh\n"])
def test_an_honest_zip_of_more_files_than_its_end_can_count_is_read(many: bytes, before: bytes):
    files = unpacked(Document("evidence.zip", before + many), BundleLimits(members=70_000, total_bytes=10**7)).documents
    assert sum(isinstance(file.place, Member) for file in files) == 65_537


def test_a_file_begins_behind_any_number_of_pieces_that_hold_nothing():
    """Deflate has blocks of no length: a reader that looks at the first packed bytes alone sees no beginning."""
    nothing = b"\0\0\0\xff\xff" * 40_000
    packed = nothing + zlib.compress(GOOD, wbits=-15)
    file = ZippedFile("a.json", True, 3, len(packed), len(GOOD), zlib.crc32(GOOD))
    data = b"PK\3" + packed + b"more"
    assert (file.beginning(data, 20), file.beginning(data, 10**6), file.content(data)) == (GOOD[:20], GOOD, GOOD)
    assert replace(file, deflated=False, packed=5).beginning(data, 20) == b"\0\0\0\xff\xff"


def proofs() -> list[tuple[Path, Path, Trust]]:
    """Each with the signed file that it belongs to, and its key."""
    run = Trust(runs=(VerifyKey.parse((RUN / "key.vkey").read_text()),))
    listed = Trust(lists=(VerifyKey.parse((LIST / "new.vkey").read_text()), VerifyKey.parse((LIST / "old.vkey").read_text())))
    about_runs = [(RUN / f"{name}.json", RUN / "run-record.dsse.json", run) for name in ("inclusion-1", "absence-2")]
    return [*about_runs, (LIST / "entry-proof.json", LIST / "list" / "versions" / "3" / "head.dsse.json", listed)]


@pytest.mark.parametrize("number", range(3), ids=["inclusion", "absence", "entry"])
def test_a_proof_has_one_spelling(number: int):
    proof, signed, trust = proofs()[number]
    right = proof.read_bytes().rstrip(b"\n")
    spellings = [("as it is", right), ("as a line", right + b"\n"), *odd_spellings(right)]
    documents = [Document(name, data) for name, data in spellings]
    found = verify_documents([Document("signed", signed.read_bytes()), *documents], trust, datetime.now(UTC))
    assert [finding.answer for finding in found[:3]] == ["holds"] * 3, found[:3]
    assert [finding.file for finding in found[3:] if finding.answer == "holds"] == []
