"""Filtering Parquet: every kind of column survives, damage leaves nothing behind, and what is dropped is what the list explains."""

import errno
import io
import os
import resource
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demur.exclusions import Entry, ExclusionList, KeyKind
from demur.exclusions.columns import BadKeyColumn, NoKeyColumn
from demur.filtering import FilterReport, UnreadableManifest, excluded_positions, filter_manifest
from demur.signing import SigningKey
from tests.support.exclusion_lists import build_version_for_today, publish_version, uids

KEY = SigningKey.generate("op.example")
PDQ = bytes(range(32))


def list_of(directory: Path, *entries: Entry) -> ExclusionList:
    directory.mkdir()
    publish_version(directory, KEY, build_version_for_today(entries))
    return ExclusionList.open(directory, key=KEY.verifier)


@pytest.fixture
def exclusions(tmp_path: Path) -> ExclusionList:
    """Excludes the uids 3, 50 and 99, and everything of bob."""
    return list_of(tmp_path / "list", *uids("3", "50", "99"), Entry(KeyKind.OWNER, "bob"))


def filtered(table: pa.Table, exclusions: ExclusionList, folder: Path, **options: Any) -> pq.ParquetFile:
    pq.write_table(table, folder / "m.parquet", **options)
    filter_manifest(folder / "m.parquet", folder / "out.parquet", exclusions)
    return pq.ParquetFile(folder / "out.parquet")


def uid_column(rows: int = 100) -> pa.Array:
    return pa.array([str(number) for number in range(rows)])


COLUMNS: Mapping[str, pa.Array] = {
    "dictionary": pa.array(["red", None, "blue", "red"] * 25).dictionary_encode(),
    "nulls only": pa.nulls(100),
    "text with nulls": pa.array([None, "", "é", "𝕏"] * 25),
    "large text": pa.array(["a", None] * 50, pa.large_string()),
    "text views": pa.array(["short", "longer than twelve bytes, so not inlined"] * 50, pa.string_view()),
    "bytes": pa.array([b"\xff\x00", None] * 50),
    "fixed bytes": pa.array([PDQ, None] * 50, pa.binary(32)),
    "lists": pa.array([["x", None], [], None, ["y"]] * 25),
    "fixed lists": pa.array([[1.0, 2.0], None] * 50, pa.list_(pa.float32(), 2)),
    "structs": pa.array([{"a": 1, "b": ["c"]}, None, {"a": None, "b": None}, {"a": 2, "b": []}] * 25),
    "maps": pa.array([[("k", 1)], []] * 50, pa.map_(pa.string(), pa.int8())),
    "flags": pa.array([True, None] * 50),
    "times": pa.array([0, None] * 50, pa.timestamp("ns", "Europe/Berlin")),
    "halves": pa.array([1.5, None] * 50, pa.float16()),
    "decimals": pa.array(["1.20", None] * 50, pa.string()).cast(pa.decimal128(9, 2)),
    "a.dotted.name": pa.array(range(100)),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("group", [7, 100])
def test_every_kind_of_column_survives(exclusions: ExclusionList, tmp_path: Path, name: str, group: int) -> None:
    table = pa.table({"uid": uid_column(), name: COLUMNS[name]}).replace_schema_metadata({"made": "by hand"})
    with filtered(table, exclusions, tmp_path, row_group_size=group) as out:
        found = out.read()
    expected = pa.concat_tables([table.slice(start, length) for start, length in ((0, 3), (4, 46), (51, 48))])
    assert found.schema.equals(pq.ParquetFile(tmp_path / "m.parquet").schema_arrow, check_metadata=True)
    assert found.to_pylist() == expected.to_pylist()


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.int64()])
def test_uids_of_every_type_are_compared(exclusions: ExclusionList, tmp_path: Path, kind: pa.DataType) -> None:
    column = uid_column().dictionary_encode() if pa.types.is_dictionary(kind) else uid_column().cast(kind)
    with filtered(pa.table({"uid": column}), exclusions, tmp_path) as out:
        assert out.metadata.num_rows == 97
        assert out.schema_arrow.field("uid").type == kind


def test_each_column_is_encoded_and_compressed_as_it_was(exclusions: ExclusionList, tmp_path: Path) -> None:
    table = pa.table(
        {
            "uid": uid_column(5000),
            "colour": ["red", "blue"] * 2500,
            "plain": ["red", "blue"] * 2500,
            "tags": [["cat", "dog"]] * 5000,
        }
    )
    options: dict[str, Any] = {
        "compression": {"uid": "none", "colour": "zstd", "plain": "snappy", "tags.list.element": "gzip"},
        "use_dictionary": ["uid", "colour", "tags.list.element"],
        "write_page_index": True,
    }
    with filtered(table, exclusions, tmp_path, **options) as out:
        chunks = {chunk["path_in_schema"]: chunk for chunk in out.metadata.row_group(0).to_dict()["columns"]}
    assert {path: chunk["compression"] for path, chunk in chunks.items()} == {
        "uid": "UNCOMPRESSED",
        "colour": "ZSTD",
        "plain": "SNAPPY",
        "tags.list.element": "GZIP",
    }
    assert {path: chunk["has_dictionary_page"] for path, chunk in chunks.items()} == {
        "uid": False,  # it had one, of no use: every value is another
        "colour": True,
        "plain": False,
        "tags.list.element": True,
    }
    assert out.metadata.row_group(0).column(0).has_offset_index


def test_columns_inside_lists_keep_their_compression_under_older_names(exclusions: ExclusionList, tmp_path: Path) -> None:
    table = pa.table({"uid": uid_column(), "tags": [["x"]] * 100})
    with filtered(table, exclusions, tmp_path, use_compliant_nested_type=False, compression="zstd") as out:
        assert {chunk["compression"] for chunk in out.metadata.row_group(0).to_dict()["columns"]} == {"ZSTD"}


def test_row_groups_grow_no_larger_than_they_were(exclusions: ExclusionList, tmp_path: Path) -> None:
    with filtered(pa.table({"uid": uid_column(1000)}), exclusions, tmp_path, row_group_size=150) as out:
        groups = [out.metadata.row_group(group).num_rows for group in range(out.num_row_groups)]
    assert sum(groups) == 997
    assert max(groups) == 150


def test_row_groups_of_large_rows_are_bounded_by_bytes(exclusions: ExclusionList, tmp_path: Path) -> None:
    table = pa.table({"uid": uid_column(), "picture": [os.urandom(1 << 20)] * 100})
    with filtered(table, exclusions, tmp_path, use_dictionary=False, compression="none") as out:
        assert out.num_row_groups > 1
        assert out.metadata.num_rows == 97


@pytest.mark.parametrize("groups", [0, 1])
def test_files_without_rows_keep_their_columns(exclusions: ExclusionList, tmp_path: Path, groups: int) -> None:
    schema = pa.schema([("uid", pa.string()), ("tags", pa.list_(pa.string()))])
    with pq.ParquetWriter(tmp_path / "m.parquet", schema) as writer:
        for _ in range(groups):
            writer.write_table(schema.empty_table())
    report = filter_manifest(tmp_path / "m.parquet", tmp_path / "out.parquet", exclusions)
    assert (report.rows, report.not_applied) == (0, [KeyKind.OWNER])
    assert pq.ParquetFile(tmp_path / "out.parquet").schema_arrow == schema


def test_a_file_that_loses_every_row_keeps_its_columns(exclusions: ExclusionList, tmp_path: Path) -> None:
    with filtered(pa.table({"uid": ["3", "50"], "owner": ["x", "y"]}), exclusions, tmp_path) as out:
        assert (out.metadata.num_rows, out.schema_arrow.names) == (0, ["uid", "owner"])


def test_a_file_cut_short_anywhere_is_refused_and_leaves_nothing(exclusions: ExclusionList, tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": uid_column(), "x": [os.urandom(9)] * 100}), tmp_path / "m.parquet", row_group_size=10)
    whole = (tmp_path / "m.parquet").read_bytes()
    for length in range(0, len(whole), 37):
        (tmp_path / "m.parquet").write_bytes(whole[:length])
        with pytest.raises(UnreadableManifest):
            filter_manifest(tmp_path / "m.parquet", tmp_path / "out.parquet", exclusions)
        with pytest.raises(UnreadableManifest):
            excluded_positions(tmp_path / "m.parquet", exclusions, FilterReport())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list", "m.parquet"]


def test_a_page_that_was_changed_is_refused_where_it_has_a_checksum(exclusions: ExclusionList, tmp_path: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"uid": uid_column()}), sink, compression="none", use_dictionary=False, write_page_checksum=True)
    whole = sink.getvalue()
    assert b"\x02\x00\x00\x0050" in whole
    (tmp_path / "m.parquet").write_bytes(whole.replace(b"\x02\x00\x00\x0050", b"\x02\x00\x00\x0051", 1))
    with pytest.raises(UnreadableManifest):
        filter_manifest(tmp_path / "m.parquet", tmp_path / "out.parquet", exclusions)
    assert not (tmp_path / "out.parquet").exists()


def test_a_full_disk_leaves_the_old_file_as_it_was(exclusions: ExclusionList, tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": uid_column(), "noise": [os.urandom(5000) for _ in range(100)]}), tmp_path / "m.parquet")
    (tmp_path / "out.parquet").write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # Python ignores the signal: writing beyond fails as on a full disk
    try:
        with pytest.raises(OSError, match="too large") as failed:
            filter_manifest(tmp_path / "m.parquet", tmp_path / "out.parquet", exclusions)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert failed.value.errno == errno.EFBIG
    assert (tmp_path / "out.parquet").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list", "m.parquet", "out.parquet"]


@pytest.mark.parametrize(("names", "error"), [(["uid", "uid"], BadKeyColumn), (["caption", "x"], NoKeyColumn), (["pdq", "x"], NoKeyColumn)])
def test_columns_that_cannot_be_judged_by_are_refused(
    exclusions: ExclusionList, tmp_path: Path, names: list[str], error: type[Exception]
) -> None:
    pq.write_table(pa.table([["3"], ["4"]], names=names), tmp_path / "m.parquet")
    with pytest.raises(error):
        filter_manifest(tmp_path / "m.parquet", tmp_path / "out.parquet", exclusions)
    with pytest.raises(error):
        excluded_positions(tmp_path / "m.parquet", exclusions, FilterReport())


def test_positions_count_through_all_row_groups(exclusions: ExclusionList, tmp_path: Path) -> None:
    owners = ["bob" if number in (0, 64) else "ada" for number in range(100)]
    pq.write_table(pa.table({"uid": uid_column(), "owner": owners}), tmp_path / "m.parquet", row_group_size=9)
    report, seen = FilterReport(), []
    positions = excluded_positions(tmp_path / "m.parquet", exclusions, report, lambda done, total: seen.append((done, total)))
    assert positions.to_array().tolist() == [0, 3, 50, 64, 99]
    assert (report.rows, report.kept, report.dropped) == (100, 95, {KeyKind.UID: 3, KeyKind.OWNER: 2})
    assert seen[-1] == (100, 100)


def test_positions_are_those_of_all_spans(exclusions: ExclusionList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demur.filtering.positions._SPAN_ROWS", 20)
    pq.write_table(pa.table({"uid": uid_column()}), tmp_path / "m.parquet", row_group_size=9)
    assert excluded_positions(tmp_path / "m.parquet", exclusions, FilterReport()).to_array().tolist() == [3, 50, 99]


short = st.text(string.ascii_lowercase[:3], max_size=2)
perceptual = st.none() | st.integers(0, 3)
rows = st.fixed_dictionaries(
    {
        "uid": short.filter(bool),
        "owner": st.none() | short,
        "url": st.none() | short,
        "sha256": st.none() | st.sampled_from(["a" * 64, "B" * 64]),
        "phash": perceptual,
        "pdq": st.none() | st.sampled_from([PDQ, bytes(32)]),
        "pdq_quality": st.none() | st.integers(48, 52),
    }
)
texts = st.builds(Entry, st.sampled_from([KeyKind.UID, KeyKind.OWNER, KeyKind.URL]), short.filter(bool))
entries = st.lists(
    texts
    | st.just(Entry(KeyKind.SHA256, "a" * 64))
    | st.just(Entry(KeyKind.SHA256, "b" * 64))
    | st.just(Entry(KeyKind.PHASH, f"{1 << 63:016x}", PDQ.hex())),
    max_size=6,
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("uid", "owner", "url", "sha256")),
        ("phash", pa.uint64()),
        ("pdq", pa.binary(32)),
        ("pdq_quality", pa.uint8()),
    ]
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=entries, manifest=st.lists(rows, max_size=30), group=st.integers(1, 10))
def test_what_is_dropped_is_what_the_list_explains(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Entry], manifest: list[dict[str, Any]], group: int
) -> None:
    folder = tmp_path_factory.mktemp("explained")
    exclusions = list_of(folder / "list", Entry(KeyKind.UID, "of no row"), *entries)
    with filtered(pa.Table.from_pylist(manifest, SCHEMA), exclusions, folder, row_group_size=group) as out:
        kept = out.read().to_pylist()
    explained = [exclusions.explain({**row, "sha256": row["sha256"] and row["sha256"].lower()}) for row in manifest]
    assert kept == [row for row, entry in zip(manifest, explained, strict=True) if entry is None]
    positions = excluded_positions(folder / "m.parquet", exclusions, FilterReport())
    assert positions.to_array().tolist() == [number for number, entry in enumerate(explained) if entry is not None]
