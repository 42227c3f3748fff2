"""What two readers could read differently is read by none: the same files as the browser's tests have."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from demur.signing import VerifyKey
from demur.trust import Trust
from demur.verifying import BundleLimits, Document, unpacked, verify_documents
from tests.support.odd_files import odd_bundles, odd_spellings
from tests.support.receipt_vectors import LOG_KEY

BUNDLES = list(odd_bundles())
LIMITS = BundleLimits(members=10, total_bytes=10**7)
RUN = Path(__file__).parents[2] / "vectors" / "run-record"
LIST = Path(__file__).parents[2] / "vectors" / "exclusion-list"


@pytest.mark.parametrize(("odd", "bundle", "answers"), BUNDLES, ids=[odd for odd, *_ in BUNDLES])
def test_a_bundle_has_one_reading_or_none(tmp_path: Path, odd: str, bundle: bytes, answers: list[str]):
    (tmp_path / "evidence.zip").write_bytes(bundle)
    for place in (bundle, tmp_path / "evidence.zip"):
        files = list(unpacked(Document("evidence.zip", place), LIMITS))
        findings = verify_documents(files, Trust(logs=(LOG_KEY.verifier,)), datetime.now(UTC))
        assert [finding.answer for finding in findings] == answers
        assert all(finding.error == "BadBundle" for finding in findings if finding.answer == "could not be checked")


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
