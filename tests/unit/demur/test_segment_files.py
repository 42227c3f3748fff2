"""Files that are not a whole segment are refused by name."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from demur.similarity.segment import Segment
from demur.similarity.tables import header
from demur.similarity.tables.errors import NotAnIndex, TornIndex
from demur.similarity.tables.header import HEADER, file_digest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    hashes = np.random.default_rng(2).integers(0, 2**64, 500, dtype=np.uint64)
    Segment.build(tmp_path, lambda: iter([(hashes, np.arange(500, dtype=np.uint32))]), 500)
    return tmp_path


def test_a_whole_segment_is_opened_and_verified(path: Path) -> None:
    segment = Segment.open(path)
    segment.verify()
    assert len(segment) == segment.rows == 500
    assert segment.bytes_on_disk == sum(file.stat().st_size for file in path.iterdir() if file.name != HEADER)


def test_a_directory_without_a_header_is_no_index(path: Path) -> None:
    (path / HEADER).unlink()
    with pytest.raises(NotAnIndex, match=r"no segment\.json"):
        Segment.open(path)
    with pytest.raises(NotAnIndex):
        Segment.open(path / "nowhere")


@pytest.mark.parametrize("content", [{"format": "another"}, [], 7, {"format": "demur-segment", "version": 2}])
def test_a_foreign_or_newer_header_is_no_index(path: Path, content: object) -> None:
    (path / HEADER).write_text(json.dumps(content))
    with pytest.raises(NotAnIndex):
        Segment.open(path)


@pytest.mark.parametrize("damage", [lambda text: text[:200], lambda text: b"", lambda text: text.replace(b'"rows": 500', b'"rows": 501')])
def test_a_damaged_header_is_torn(path: Path, damage: Callable[[bytes], bytes]) -> None:
    (path / HEADER).write_bytes(damage((path / HEADER).read_bytes()))
    with pytest.raises(TornIndex, match="Build the index again"):
        Segment.open(path)


def test_no_flipped_bit_of_the_header_goes_unnoticed(path: Path) -> None:
    whole = (path / HEADER).read_bytes()
    for bit in range(0, 8 * len(whole), 29):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        (path / HEADER).write_bytes(flipped)
        if not same_json(flipped, whole):
            with pytest.raises((TornIndex, NotAnIndex)):
                Segment.open(path)


def same_json(one: bytes, other: bytes) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["hashes", "rows", "starts"])
@pytest.mark.parametrize("change", [-1, 1, None])
def test_a_file_that_is_cut_short_or_too_long_or_missing_is_torn(path: Path, name: str, change: int | None) -> None:
    content = (path / name).read_bytes()
    if change is None:
        (path / name).unlink()
    else:
        (path / name).write_bytes(content[:-1] if change < 0 else content + b"\0")
    with pytest.raises(TornIndex, match=name):
        Segment.open(path)


@pytest.mark.parametrize("harm", ["noise", "zeros", "first", "last", "descent"])
def test_directories_that_lead_a_search_out_of_the_tables_are_torn(path: Path, harm: str) -> None:
    starts = np.fromfile(path / "starts", dtype="<u4")
    match harm:
        case "noise":
            starts = np.random.default_rng(0).integers(0, 2**32, len(starts), dtype=np.uint32)
        case "zeros":
            starts[:] = 0
        case "first":
            starts[0] = 1
        case "last":
            starts[-1] += 1
        case "descent":
            starts[40] = 500
    starts.tofile(path / "starts")
    with pytest.raises(TornIndex, match="starts"):
        Segment.open(path)


@pytest.mark.parametrize("name", ["hashes", "rows"])
def test_a_search_of_damaged_tables_ends(path: Path, name: str) -> None:
    content = np.fromfile(path / name, dtype=np.uint8)
    rng = np.random.default_rng(3)
    content[rng.integers(0, len(content), len(content) // 4)] ^= 129
    content.tofile(path / name)
    segment = Segment.open(path)
    asked = np.concatenate([phashes for phashes, _ in segment.scan()])
    assert len(segment.query(asked, 11)) <= len(asked) ** 2
    assert sum(map(len, segment.join(asked, 11))) <= len(asked) ** 2


@pytest.mark.parametrize("name", ["hashes", "rows", "starts"])
def test_a_flipped_bit_of_the_content_is_found_by_verify(path: Path, name: str) -> None:
    content = bytearray((path / name).read_bytes())
    content[len(content) // 3] ^= 16
    (path / name).write_bytes(content)
    with pytest.raises(TornIndex, match=name):
        Segment.open(path).verify()


def test_a_digest_is_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header, "BLOCK", 1 << 20)
    content = np.random.default_rng(1).bytes((1 << 20) * 2 + 5)
    (tmp_path / "file").write_bytes(content)
    blocks = [content[: 1 << 20], content[1 << 20 : 2 << 20], content[2 << 20 :]]
    assert file_digest(tmp_path / "file") == sha256(b"".join(sha256(block).digest() for block in blocks)).hexdigest()
