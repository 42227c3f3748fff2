"""H2: a stranger signs their own head of their own Parquet file, by a key that they give themselves."""

import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from demur.exclusions.entries import FileDigest
from demur.exclusions.head import WholeFile
from demur.exclusions.parquet import ENTRY_SCHEMA
from demur.signing import SigningKey
from tests.hostile.verifying import answer_to
from tests.support.exclusion_lists import build, sign_head, uids

KEY = SigningKey.generate("stranger")


def bomb(rows: int, length: int) -> bytes:
    """A small file of few distinct, long keys."""
    keys = pa.array([0] * rows, pa.int32())
    column = pa.DictionaryArray.from_arrays(keys, pa.array(["x" * length])).cast(pa.string())
    table = pa.Table.from_arrays([pa.array(["uid"] * rows), column, pa.array([""] * rows)], schema=ENTRY_SCHEMA)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def test_a_signed_parquet_bomb_is_not_opened_on_the_page(tmp_path: Path):
    files = tmp_path / "files"
    files.mkdir()
    data = bomb(20_000, 20_000)  # 400 MB of text
    digest = FileDigest.of(data)
    head = build(uids("a")).head
    (files / "entries.parquet").write_bytes(data)
    changed = head.__class__(**{**head.__dict__, "entries": WholeFile(digest.sha256, digest.size, 1)})
    (files / "head.dsse.json").write_bytes(sign_head(changed, KEY))
    measured, told = answer_to(tmp_path, {"list_keys": str(KEY.verifier)})
    assert told["status"] == 200
    assert "1 of 2 could not be checked." in told["text"]
    assert "The demur command checks it" in told["text"]
    assert told["seconds"] < 5
    measured.refuse_costly(most_seconds=60)  # with the start of a portal


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
