"""M9: a row, a tar or a header that a member can bring about costs that row, or ends in one sentence; never a traceback, never for ever."""

import io
import tarfile
from pathlib import Path

import pytest

from demur.manifests import ManifestError, import_manifest
from tests.hostile.measuring import run_measured
from tests.support.pictures import jpeg, textured_picture


def importing(source: str, target: str) -> str:
    """What became of an import: the rows and what was left out, or the sentence that it ended in."""
    try:
        report = import_manifest(Path(source), Path(target), name="hostile", workers=0)
    except ManifestError as error:
        return f"{type(error).__name__}: {error}"
    return f"{report.rows} rows, {report.rejected}"


def negative_size() -> bytes:
    """2 kB that read for ever with Python 3.11.7's tarfile (CVE-2025-8194)."""
    header = bytearray(tarfile.TarInfo("a.jpg").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (2**96 - 512).to_bytes(12, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(3 * 512)


def extended(size: str) -> bytes:
    info = tarfile.TarInfo("a.jpg")
    info.pax_headers = {"size": size}
    return info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)


def deep_json() -> bytes:
    data = io.BytesIO()
    picture = jpeg(textured_picture(1))
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in (("a.jpg", picture), ("a.json", b"[" * 1_000_000), ("z.jpg", picture)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "outcome"),
    [
        ("m.tar", negative_size(), "TruncatedSource"),
        ("m.tar", extended("-512"), "TruncatedSource"),
        ("m.tar", extended("9" * 5000), "TruncatedSource"),
        ("m.tar", deep_json(), "1 rows, {'malformed_row': 1}"),
        ("m.jsonl", b'{"uid": "a", "caption": "\\ud83d"}\n{"uid": "z"}\n', "1 rows, {'malformed_row': 1}"),
        ("m.jsonl", b"[" * 1_000_000 + b'\n{"uid": "z"}\n', "1 rows, {'malformed_row': 1}"),
        ("m.csv", b"uid," + b"x" * 200_000 + b"\nz,1\n", "1 rows, {}"),
        ("m.csv", b"uid," + b"x" * 5_000_000 + b"\nz,1\n", "TruncatedSource"),
    ],
    ids=[
        "negative size",
        "extended size",
        "size of 5,000 digits",
        "deep JSON in a tar",
        "half an emoji",
        "deep JSON",
        "header",
        "long header",
    ],
)
def test_it_costs_a_row_or_ends_in_one_sentence(tmp_path: Path, name: str, content: bytes, outcome: str) -> None:
    (tmp_path / name).write_bytes(content)
    measured = run_measured(importing, str(tmp_path / name), str(tmp_path / "catalogue"))
    assert measured.output.startswith(outcome), measured.output
    measured.refuse_costly()
