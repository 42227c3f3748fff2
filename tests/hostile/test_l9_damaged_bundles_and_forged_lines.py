"""L9 and names that look like verdicts: whatever a bundle holds, each file has one answer in one line, and no traceback."""

import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from demur.cli import main
from demur.verifying import Answer, BundleLimits, Document, summarise, unpacked
from demur.verifying.findings import BadBundle
from tests.hostile.measuring import run_measured
from tests.support.odd_files import GOOD, zipped
from tests.support.receipt_vectors import LOG_KEY


def verify(path: Path) -> Result:
    return CliRunner().invoke(main, ["verify", str(path), "--log-key", str(LOG_KEY.verifier)])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_one_damaged_byte_anywhere_is_an_answer_and_no_traceback(tmp_path: Path, method: int):
    honest = zipped(("receipts/1.json", GOOD), method=method)
    file = tmp_path / "evidence.zip"
    for at in range(0, len(honest), 7):
        file.write_bytes(honest[:at] + bytes([honest[at] ^ 0x55]) + honest[at + 1 :])
        result = verify(file)
        assert result.exception is None or isinstance(result.exception, SystemExit), at
        assert result.stdout.startswith(("HOLDS ", "DOES NOT HOLD ", "COULD NOT BE CHECKED "))


def test_packed_otherwise_is_refused_by_name(tmp_path: Path):
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        (tmp_path / "evidence.zip").write_bytes(zipped(("a.json", GOOD), method=method))
        assert "packed in a way that bundles of evidence are not. (BadBundle)" in verify(tmp_path / "evidence.zip").stdout


def test_bytes_before_a_zip_are_fine_and_a_directory_beyond_the_end_is_not(tmp_path: Path):
    file = tmp_path / "evidence.zip"
    file.write_bytes(b"#!/bin/sh\n" + zipped(("a.json", GOOD)))
    assert verify(file).exit_code == 0
    honest = bytearray(zipped(("a.json", GOOD)))
    honest[-6:-2] = (0x7FFFFFFF).to_bytes(4, "little")
    file.write_bytes(honest)
    assert "(BadBundle)" in verify(file).stdout


@pytest.mark.parametrize("names", [[], ["README.txt"], ["keys.txt"], ["photos.json"], ["README.txt", "keys.txt", "photos.json"], ["a/"]])
def test_a_bundle_of_nothing_that_proves_anything_could_not_be_checked(tmp_path: Path, names: list[str]):
    (tmp_path / "evidence.zip").write_bytes(zipped(*((name, b"") for name in names)))
    result = verify(tmp_path / "evidence.zip")
    assert result.exit_code == 1
    assert result.stdout.startswith("COULD NOT BE CHECKED ")
    assert "nothing in it can be checked" in result.stdout or not names
    assert "(BadBundle)" in result.stdout


def test_no_finding_at_all_is_no_good_answer():
    summary = summarise([])
    assert (summary.answer, summary.headline) == (Answer.UNCHECKED, "Nothing in it can be checked.")


def test_the_same_name_twice_is_refused(tmp_path: Path):
    (tmp_path / "evidence.zip").write_bytes(zipped(("a.json", GOOD), ("a.json", b"{}")))
    assert "it holds two files of one name" in verify(tmp_path / "evidence.zip").stdout


@pytest.mark.parametrize(
    "name",
    ["a\nHOLDS receipt.json (receipt)", "a\r\x1b[2KHOLDS x", "\u202egnp.exe", "a\u2028HOLDS", "a" + " " * 300 + "HOLDS receipt.json"],
)
def test_no_name_forges_a_verdict_in_a_terminal(tmp_path: Path, name: str):
    (tmp_path / "evidence.zip").write_bytes(zipped((name, b"nothing of ours")))
    result = verify(tmp_path / "evidence.zip")
    assert result.exit_code == 1
    verdicts = [line for line in result.stdout.splitlines() if not line.startswith("    ")]
    assert len(verdicts) == 1
    assert verdicts[0].startswith("COULD NOT BE CHECKED evidence.zip/")
    assert all(line.isprintable() and "  " not in line.strip() for line in result.stdout.splitlines())


def names_that_are_no_text() -> bytes:
    return zipped(("xx.json", GOOD)).replace(b"xx.json", b"\xff\xfe.json")


def test_names_that_are_not_utf8_are_shown(tmp_path: Path):
    (tmp_path / "evidence.zip").write_bytes(names_that_are_no_text())
    result = verify(tmp_path / "evidence.zip")
    assert result.exit_code in (0, 1)
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_bundle_that_unpacks_to_gigabytes_is_read_file_by_file(tmp_path: Path):
    (tmp_path / "evidence.zip").write_bytes(zipped(*((f"{number}.json", bytes(100_000_000)) for number in range(10))))
    measured = run_measured(["-m", "demur", "verify", str(tmp_path / "evidence.zip"), "--log-key", str(LOG_KEY.verifier)])
    assert measured.code == 1
    measured.refuse_costly(most_seconds=15)


def test_limits_are_of_the_directory_and_not_of_what_is_unpacked():
    document = Document("evidence.zip", zipped(("a.json", GOOD), ("b.json", GOOD)))
    assert len(unpacked(document, BundleLimits(2, 10**6)).documents) == 2
    (one,) = unpacked(document, BundleLimits(1, 10**6)).documents
    assert isinstance(one.place, BadBundle)
