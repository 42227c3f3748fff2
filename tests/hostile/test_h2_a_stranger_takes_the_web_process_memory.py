"""H2: somebody signs a head of a Parquet file of their own, by a key that the one who checks it was given: by them, or by a page."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demur.exclusions import KeyKind
from demur.exclusions.entries import FileDigest
from demur.exclusions.head import WholeFile
from demur.exclusions.parquet import ENTRY_SCHEMA
from demur.signing import SigningKey
from tests.hostile.measuring import run_measured
from tests.hostile.verifying import answer_to
from tests.support.exclusion_lists import build, sign_head, uids

KEY = SigningKey.generate("stranger")


def bomb(rows: int, length: int, batches: int = 1, **options: object) -> bytes:
    """A small file of one long key, in so many rows so many times."""
    keys = pa.array([0] * rows, pa.int32())
    column = pa.DictionaryArray.from_arrays(keys, pa.array(["x" * length])).cast(pa.string())
    table = pa.Table.from_arrays([pa.array(["uid"] * rows), column, pa.array([""] * rows)], schema=ENTRY_SCHEMA)
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, ENTRY_SCHEMA, compression="zstd", **options) as writer:
        for _ in range(batches):
            writer.write_table(table)
    return sink.getvalue()


def signed(data: bytes, total: int) -> bytes:
    """The head of a file of entries that counts so many of them."""
    digest = FileDigest.of(data)
    head = build(uids("a")).head
    return sign_head(replace(head, entries=WholeFile(digest.sha256, digest.size, 1), total=total, counts={KeyKind.UID: total}), KEY)


BOMBS = {
    "a dictionary of one long text": (bomb(60_000, 30_000), 60_000),
    "pages that compress well": (bomb(60_000, 30_000, use_dictionary=False, data_page_size=1 << 28), 60_000),
    "a dictionary in each of many row groups": (bomb(60_000, 600, 50), 3_000_000),
    "more rows than the head counts": (bomb(300_000, 1, 100), 3),
}


def test_a_signed_parquet_bomb_is_not_opened_on_the_page(tmp_path: Path):
    files = tmp_path / "files"
    files.mkdir()
    data = bomb(20_000, 20_000)  # 400 MB of text
    (files / "entries.parquet").write_bytes(data)
    (files / "head.dsse.json").write_bytes(signed(data, 1))
    measured, told = answer_to(tmp_path, {"list_keys": str(KEY.verifier)})
    assert told["status"] == 200
    assert "1 of 2 could not be checked." in told["text"]
    assert "The demur command checks it" in told["text"]
    assert told["seconds"] < 5
    measured.refuse_costly(most_seconds=60)  # with the start of a portal


@pytest.mark.parametrize("kind", BOMBS)
def test_the_command_unpacks_no_signed_entries_beyond_what_such_a_list_can_need(tmp_path: Path, kind: str):
    data, total = BOMBS[kind]
    assert len(data) < 1_000_000
    (tmp_path / "entries.parquet").write_bytes(data)
    (tmp_path / "head.dsse.json").write_bytes(signed(data, total))
    files = [str(tmp_path / name) for name in ("entries.parquet", "head.dsse.json")]
    measured = run_measured(["-m", "demur", "verify", *files, "--list-key", str(KEY.verifier)])
    assert measured.code == 3, measured.output
    assert "DOES NOT HOLD" in measured.output
    measured.refuse_costly()


def test_a_zip_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path):
    files = tmp_path / "files"
    files.mkdir()
    with zipfile.ZipFile(files / "evidence.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"receipts/{number}.json", bytes(50_000_000))
    measured, told = answer_to(tmp_path, {"log_keys": str(KEY.verifier)})
    assert "It could not be checked." in told["text"]
    assert "are unpacked here" in told["text"]
    assert told["seconds"] < 5
    measured.refuse_costly(most_seconds=60)
