"""M11: a mirror, which holds no key, offers an unsigned delta of some kilobytes that unpacks to gigabytes."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demur.exclusions import ExclusionList
from demur.exclusions.parquet import DELTA_SCHEMA
from demur.signing import SigningKey, VerifyKey
from tests.hostile.measuring import run_measured
from tests.support.exclusion_lists import build, publish_version, uids

KEY = SigningKey.generate("op.example")
ROWS = 12_000


def repeated(**options: object) -> bytes:
    """One long text, `ROWS` times."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * ROWS, pa.int32()), pa.array(["x" * 40_000])).cast(pa.large_string())
    columns = [pa.array(["add"] * ROWS), pa.array(["uid"] * ROWS), texts, pa.array([""] * ROWS)]
    table = pa.Table.from_arrays(columns, names=DELTA_SCHEMA.names)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", store_schema=False, **options)
    return sink.getvalue()


BOMBS = {
    "a dictionary of one long text": {},
    "pages that compress well": {"use_dictionary": False, "data_page_size": 1 << 28},
    "texts that repeat the one before": {"use_dictionary": False, "column_encoding": {"key": "DELTA_BYTE_ARRAY"}},
}


def pull(directory: str, key: str) -> str:
    return str(ExclusionList.open(Path(directory), key=VerifyKey.parse(key)).head.version)


@pytest.mark.parametrize("kind", BOMBS)
def test_a_mirrors_delta_is_not_unpacked_beyond_what_such_a_file_can_need(tmp_path: Path, kind: str):
    many = [*uids(*(f"photo-{number}" for number in range(12 * ROWS)))]
    version = build(many, published_at=datetime.now(UTC))
    publish_version(tmp_path, KEY, version)
    for number in range(2, 4):
        version = build([*many, *uids(f"new-{number}")], version, published_at=datetime.now(UTC))
        publish_version(tmp_path, KEY, version)
    (tmp_path / "versions" / "3" / "delta-from-1.parquet").write_bytes(repeated(**BOMBS[kind]))
    measured = run_measured(pull, str(tmp_path), str(KEY.verifier))
    assert measured.code == 0 or "BadListFormat" in measured.output, measured.output
    measured.refuse_costly(most_seconds=20)  # numba compiles in it
