"""Every spelling of a key that one reader takes, all take, as the same key; what no reader takes is counted, and never kept in silence."""

import base64
import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demur.exclusions import Entry, EntryTable, ExclusionList, KeyKind
from demur.exclusions.columns import KEY_COLUMNS, BadKeyColumn, NoKeyColumn, fold
from demur.exclusions.matching import Matcher
from demur.filtering import FilterReport, UnreadableRows, excluded_positions, filter_manifest
from demur.manifests import Catalogue, DoubledColumn, EmptySource, MissingColumn, import_manifest
from demur.signing import SigningKey
from tests.support.exclusion_lists import build_version_for_today, publish_version

KEY = SigningKey.generate("op.example")
UUID_TEXT = "550e8400-e29b-41d4-a716-446655440000"
UUID_BYTES = uuid.UUID(UUID_TEXT).bytes
DIGEST = bytes(range(200, 232))
PHASH, PDQ = 0x9D3C0FF0C3A5E271, bytes(range(100, 132))
ENTRIES = {
    "uid": Entry(KeyKind.UID, UUID_TEXT),
    "number": Entry(KeyKind.UID, "1001"),
    "sha256": Entry(KeyKind.SHA256, DIGEST.hex()),
    "phash": Entry(KeyKind.PHASH, f"{PHASH:016x}", PDQ.hex()),
    "url": Entry(KeyKind.URL, "https://photos.example/1.jpg"),
    "owner": Entry(KeyKind.OWNER, "ada"),
}
BASE64, BITS = base64.b64encode(DIGEST).decode(), f"{PHASH:064b}"


def list_of(directory: Path, *entries: Entry) -> ExclusionList:
    directory.mkdir()
    publish_version(directory, KEY, build_version_for_today(list(entries)))
    return ExclusionList.open(directory, key=KEY.verifier)


def perceptual(column: str, values: Any) -> pa.Table:
    return pa.table({"phash": pa.array([PHASH], pa.uint64()), "pdq": pa.array([PDQ]), "pdq_quality": [90], "uid": ["x"]} | {column: values})


SPELLINGS = {
    "a uid as 16 raw bytes of fixed size": ("uid", pa.table({"uid": pa.array([UUID_BYTES], pa.binary(16))})),
    "a uid as 16 raw bytes": ("uid", pa.table({"uid": pa.array([UUID_BYTES], pa.binary())})),
    "a uid as Arrow's UUID": ("uid", pa.table({"uid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID_BYTES], pa.binary(16)))})),
    "a UUID in upper case": ("uid", pa.table({"uid": [UUID_TEXT.upper()]})),
    "a UUID without hyphens": ("uid", pa.table({"uid": [UUID_TEXT.replace("-", "")]})),
    "a UUID in braces": ("uid", pa.table({"uid": ["{" + UUID_TEXT + "}"]})),
    "a UUID as a URN": ("uid", pa.table({"uid": ["urn:uuid:" + UUID_TEXT]})),
    "a uid as float64": ("number", pa.table({"uid": [1001.0]})),
    "a uid that a float column left as text": ("number", pa.table({"uid": ["1001.0"]})),
    "a uid as decimal128(38, 0)": ("number", pa.table({"uid": pa.array([Decimal(1001)], pa.decimal128(38, 0))})),
    "a uid as decimal128(38, 2)": ("number", pa.table({"uid": pa.array([Decimal("1001.00")], pa.decimal128(38, 2))})),
    "a uid of blanks around": ("number", pa.table({"uid": [" 1001\u00a0"]})),
    "a nested id": ("number", pa.table({"id": [{"$oid": "1001"}]})),
    "a digest spelled sha256:…": ("sha256", pa.table({"uid": ["x"], "sha256": [f"sha256:{DIGEST.hex()}"]})),
    "a digest spelled 0x…": ("sha256", pa.table({"uid": ["x"], "sha256": [f"0x{DIGEST.hex()}"]})),
    "a digest spelled as SRI": ("sha256", pa.table({"uid": ["x"], "sha256": [f"sha256-{BASE64}"]})),
    "a digest in base64": ("sha256", pa.table({"uid": ["x"], "sha256": [BASE64]})),
    "a digest in URL-safe base64 without padding": (
        "sha256",
        pa.table({"uid": ["x"], "sha256": [base64.urlsafe_b64encode(DIGEST).decode().rstrip("=")]}),
    ),
    "a digest padded with a space": ("sha256", pa.table({"uid": ["x"], "sha256": [f"{DIGEST.hex()} "]})),
    "a digest in upper case": ("sha256", pa.table({"uid": ["x"], "sha256": [DIGEST.hex().upper()]})),
    "a digest as raw bytes": ("sha256", pa.table({"uid": ["x"], "sha256": pa.array([DIGEST], pa.binary(32))})),
    "a phash as 64 binary digits": ("phash", perceptual("phash", [BITS])),
    "a phash as hex digits": ("phash", perceptual("phash", [f"{PHASH:016X}"])),
    "a phash as int64": ("phash", perceptual("phash", pa.array([PHASH - 2**64], pa.int64()))),
    "a phash as decimal(20, 0)": ("phash", perceptual("phash", pa.array([Decimal(PHASH)], pa.decimal128(20, 0)))),
    "a phash as eight raw bytes": ("phash", perceptual("phash", pa.array([PHASH.to_bytes(8, "big")], pa.binary(8)))),
    "a PDQ in base64": ("phash", perceptual("pdq", [base64.b64encode(PDQ).decode()])),
    "a PDQ as hex digits": ("phash", perceptual("pdq", [PDQ.hex()])),
    "a quality as float64": ("phash", perceptual("pdq_quality", [90.0])),
    "a quality from 0 to 1": ("phash", perceptual("pdq_quality", [0.9])),
    "a url with a space": ("url", pa.table({"uid": ["x"], "url": [" https://photos.example/1.jpg\n"]})),
    "an owner with a space": ("owner", pa.table({"uid": ["x"], "User": ["ada "]})),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_row_is_excluded_however_its_key_is_spelled(tmp_path: Path, spelling: str) -> None:
    entry, table = SPELLINGS[spelling]
    exclusions = list_of(tmp_path / "list", ENTRIES[entry])
    pq.write_table(table, tmp_path / "m.parquet")
    report = filter_manifest(tmp_path / "m.parquet", tmp_path / "out.parquet", exclusions)
    assert (report.kept, sum(report.dropped.values()), report.unreadable_rows) == (0, 1, 0)
    assert list(excluded_positions(tmp_path / "m.parquet", exclusions, FilterReport())) == [0]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_import_takes_the_spelling_and_its_row_is_excluded_by_the_same_entry(tmp_path: Path, spelling: str) -> None:
    entry, table = SPELLINGS[spelling]
    pq.write_table(table, tmp_path / "m.parquet")
    import_manifest(tmp_path / "m.parquet", tmp_path / "catalogue", name="spelled", workers=0)
    rows = Catalogue.open(tmp_path / "catalogue").take([0])
    assert Matcher(EntryTable.of([ENTRIES[entry]])).judge(rows).keep.to_pylist() == [False]


@pytest.mark.parametrize("spelled", [UUID_TEXT.upper(), UUID_TEXT.replace("-", ""), "{" + UUID_TEXT + "}"])
def test_an_entry_may_be_spelled_otherwise_than_the_row(spelled: str) -> None:
    matcher = Matcher(EntryTable.of([Entry(KeyKind.UID, spelled), Entry(KeyKind.UID, "photo-7")]))
    rows = pa.table({"uid": pa.array([UUID_BYTES, b"photo-7", b"photo-8"])})
    assert matcher.judge(rows).keep.to_pylist() == [False, False, True]
    assert matcher.judge(pa.table({"uid": [UUID_TEXT, "photo-7", "photo-8"]})).keep.to_pylist() == [False, False, True]


UNREADABLE = {
    "uid: a number that is not whole": pa.table({"uid": [1.5, 2.0]}),
    "uid: a float too large to hold a whole number exactly": pa.table({"uid": [2.0**60, 2.0]}),
    "no uid": pa.table({"uid": [float("nan"), 1001.0]}),
    "uid: bytes that are not UTF-8 text": pa.table({"uid": pa.array([b"\xff", b"2"])}),
    "uid: 16 bytes that may be text or a UUID": pa.table({"uid": pa.array(["aaaaaaaéaaaaaaa".encode(), b"2"])}),
    "uid: text that holds a NUL character": pa.table({"uid": ["a\0b", "2"]}),
    "sha256: an MD5 digest": pa.table({"uid": ["1", "2"], "sha256": ["d41d8cd98f00b204e9800998ecf8427e", DIGEST.hex()]}),
    "sha256: a SHA-1 digest": pa.table({"uid": ["1", "2"], "sha256": ["d" * 40, DIGEST.hex()]}),
    "sha256: not a SHA-256 digest": pa.table({"uid": ["1", "2"], "sha256": ["n/a", DIGEST.hex()]}),
    "phash: a hash of 16 × 16 = 256 bits, where a phash has 8 × 8 = 64": pa.table(
        {"uid": ["1", "2"], "phash": ["ab" * 32, None], "pdq": [PDQ, None], "pdq_quality": [90, None]}
    ),
    "pdq: not a PDQ hash of 256 bits": pa.table({"uid": ["1", "2"], "phash": [1, 2], "pdq": [b"short", None], "pdq_quality": [90, 90]}),
    "pdq_quality: 1.0, which may be 1 or 100 of 100": pa.table(
        {"uid": ["1", "2"], "phash": [1, 2], "pdq": [PDQ] * 2, "pdq_quality": [1.0, None]}
    ),
    "pdq_quality: not a whole number from 0 to 100": pa.table(
        {"uid": ["1", "2"], "phash": [1, 2], "pdq": [PDQ] * 2, "pdq_quality": [87.5, 90]}
    ),
}


@pytest.mark.parametrize("reason", UNREADABLE)
def test_what_cannot_be_compared_is_named_and_stops_the_run_unless_it_is_allowed(tmp_path: Path, reason: str) -> None:
    exclusions = list_of(tmp_path / "list", *ENTRIES.values())
    pq.write_table(UNREADABLE[reason], tmp_path / "m.parquet")
    with pytest.raises(UnreadableRows) as refused:
        filter_manifest(tmp_path / "m.parquet", tmp_path / "out.parquet", exclusions)
    assert f"{reason}: 1 (m.parquet, row 1" in str(refused.value)
    assert not (tmp_path / "out.parquet").exists()
    report = filter_manifest(tmp_path / "m.parquet", tmp_path / "out.parquet", exclusions, allow_unreadable=1)
    assert {reason: each.rows for reason, each in report.unreadable.items()} == {reason: 1}
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == report.kept == 1 - report.dropped.total()


@pytest.mark.parametrize("reason", UNREADABLE)
def test_import_leaves_out_what_the_filter_cannot_compare(tmp_path: Path, reason: str) -> None:
    pq.write_table(UNREADABLE[reason], tmp_path / "m.parquet")
    report = import_manifest(tmp_path / "m.parquet", tmp_path / "catalogue", name="spelled", workers=0)
    assert (report.rows, sum(report.rejected.values())) == (1, 1)


def test_values_of_the_only_key_column_that_are_all_null_are_refused_whatever_is_allowed(tmp_path: Path) -> None:
    exclusions = list_of(tmp_path / "list", *ENTRIES.values())
    for number, table in enumerate(
        [pa.table({"uid": pa.nulls(3, pa.string())}), pa.table({"url": pa.nulls(3)}), pa.table({"sha256": [""] * 3})]
    ):
        pq.write_table(table, tmp_path / f"{number}.parquet")
        with pytest.raises(UnreadableRows, match="3 of 3 rows cannot be compared"):
            filter_manifest(tmp_path / f"{number}.parquet", tmp_path / "out.parquet", exclusions, allow_unreadable=9)


def test_json_rows_that_name_their_uid_differently_are_each_compared(tmp_path: Path) -> None:
    exclusions = list_of(tmp_path / "list", ENTRIES["number"])
    rows: list[dict[str, object]] = [
        {"uid": 1001},
        {"key": "1001"},
        {"uid": None, "key": "1001"},
        {"uid": "", "id": {"$oid": "1001"}},
        {"uid": "7", "key": "1001"},
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = filter_manifest(tmp_path / "m.jsonl", tmp_path / "out.jsonl", exclusions)
    assert (report.kept, (tmp_path / "out.jsonl").read_text()) == (1, json.dumps(rows[-1]) + "\n")
    imported = import_manifest(tmp_path / "m.jsonl", tmp_path / "catalogue", name="mixed", workers=0)
    assert (imported.rows, imported.rejected) == (2, {"duplicate_uid": 3})


def test_a_shard_without_a_key_column_beside_good_ones_is_named(tmp_path: Path) -> None:
    exclusions = list_of(tmp_path / "list", ENTRIES["number"])
    shards = tmp_path / "shards"
    shards.mkdir()
    pq.write_table(pa.table({"uid": ["1"]}), shards / "0.parquet")
    pq.write_table(pa.table({"caption": ["1"]}), shards / "1.parquet")
    with pytest.raises(NoKeyColumn, match=r"1\.parquet has no column by which a list excludes"):
        filter_manifest(shards, tmp_path / "out", exclusions)
    with pytest.raises(MissingColumn, match=r"1\.parquet has no column 'uid'"):
        import_manifest(shards, tmp_path / "catalogue", name="mixed", workers=0)


def test_shards_of_differing_types_are_compared_alike(tmp_path: Path) -> None:
    exclusions = list_of(tmp_path / "list", ENTRIES["number"])
    shards = tmp_path / "shards"
    shards.mkdir()
    for number, column in enumerate([pa.array([1001, 2]), pa.array(["1001", "3"]), pa.array([1001.0, 4.0])]):
        pq.write_table(pa.table({"uid": column}), shards / f"{number}.parquet")
    assert filter_manifest(shards, tmp_path / "out", exclusions).kept == 3
    assert import_manifest(shards, tmp_path / "catalogue", name="mixed", workers=0).rows == 4


@pytest.mark.parametrize("header", ["uid, url, caption", "UID,Url,caption", "\ufeffuid ,url,caption"])
def test_headers_and_cells_are_trimmed(tmp_path: Path, header: str) -> None:
    exclusions = list_of(tmp_path / "list", ENTRIES["url"], ENTRIES["number"])
    (tmp_path / "m.csv").write_text(f"{header}\n1, https://photos.example/1.jpg,x\n 1001 ,u,x\n3,u,x\n")
    assert filter_manifest(tmp_path / "m.csv", tmp_path / "out.csv", exclusions).kept == 1
    assert import_manifest(tmp_path / "m.csv", tmp_path / "catalogue", name="spaced", workers=0).rows == 3


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_two_columns_of_one_name_are_refused_by_filter_and_import(tmp_path: Path, kind: str) -> None:
    exclusions = list_of(tmp_path / "list", ENTRIES["number"])
    manifest = tmp_path / f"m.{kind}"
    if kind == "csv":
        manifest.write_text("uid,UID\n1,1001\n")
    else:
        pq.write_table(pa.table([["1"], ["1001"]], names=["uid", "UID"]), manifest)
    with pytest.raises(BadKeyColumn, match="2 columns named uid"):
        filter_manifest(manifest, tmp_path / f"out.{kind}", exclusions)
    with pytest.raises(DoubledColumn, match="2 columns named uid"):
        import_manifest(manifest, tmp_path / "catalogue", name="doubled", workers=0)


def test_sixteen_bytes_of_a_csv_file_are_text(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("uid,caption\naaaaaaaéaaaaaaa,x\n")
    exclusions = list_of(tmp_path / "list", Entry(KeyKind.UID, "aaaaaaaéaaaaaaa"))
    assert filter_manifest(tmp_path / "m.csv", tmp_path / "out.csv", exclusions).kept == 0
    assert import_manifest(tmp_path / "m.csv", tmp_path / "catalogue", name="text", workers=0).rows == 1


digests = st.binary(min_size=32, max_size=32)
spellers = st.sampled_from(
    [
        lambda digest: digest.hex(),
        lambda digest: digest.hex().upper(),
        lambda digest: f" sha256:{digest.hex()}\t",
        lambda digest: f"SHA-256:{digest.hex()}",
        lambda digest: "sha256-" + base64.b64encode(digest).decode(),
        lambda digest: base64.urlsafe_b64encode(digest).decode().rstrip("="),
        lambda digest: digest,
        lambda digest: digest.hex()[:-1],
        lambda digest: digest.hex() + "0",
        lambda digest: digest[:16].hex(),
        lambda digest: None,
        lambda digest: "",
    ]
)
identifiers = st.one_of(
    st.none(),
    st.text(max_size=6),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.uuids().map(str),
    st.uuids().map(lambda each: str(each).upper()),
    st.uuids().map(lambda each: each.hex),
    st.binary(max_size=17),
    st.booleans(),
    st.just({"$oid": "abc"}),
    st.just(["abc"]),
)


def read_by_import(values: list[object], folder: Path) -> list[str] | None:
    """The uids of a catalogue, folded; None where nothing was imported."""
    try:
        pq.write_table(pa.table({"uid": pa.array(values)}), folder / "m.parquet")
        import_manifest(folder / "m.parquet", folder / "catalogue", name="any", workers=0)
    except EmptySource:
        return None
    return sorted(
        fold(uid) for uid in Catalogue.open(folder / "catalogue").take(range(len(Catalogue.open(folder / "catalogue"))))["uid"].to_pylist()
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(identifiers, min_size=1, max_size=5))
def test_import_and_filter_read_the_same_uids(tmp_path_factory: pytest.TempPathFactory, values: list[object]) -> None:
    """A row that import takes is excluded by its catalogue's uid; one that it refuses, the filter refuses as well."""
    folder = tmp_path_factory.mktemp("any")
    try:
        column = pa.array(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        column = pa.array([value if isinstance(value, str) else None for value in values], pa.string())
    try:
        reading = KEY_COLUMNS["uid"].read(column)
    except BadKeyColumn:
        assert read_by_import(column.to_pylist(), folder) is None
        return
    imported = read_by_import(column.to_pylist(), folder)
    listed = sorted({fold(str(value)) for value in reading.values.to_pylist() if value is not None})
    assert sorted(set(imported or [])) == listed
    if imported:
        matcher = Matcher(EntryTable.of(sorted(Entry(KeyKind.UID, uid) for uid in set(imported))))
        judgement = matcher.judge(pa.table({"uid": column}))
        assert judgement.keep.true_count == 0


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(digests, spellers), min_size=1, max_size=6))
def test_a_spelling_that_is_read_excludes_and_one_that_is_not_is_counted(rows: list[tuple[bytes, Any]]) -> None:
    spelled = [speller(digest) for digest, speller in rows]
    reading = KEY_COLUMNS["sha256"].read_values(spelled)
    matcher = Matcher(EntryTable.of(sorted({Entry(KeyKind.SHA256, digest.hex()) for digest, _ in rows})))
    try:
        column = pa.array(spelled)
    except (pa.ArrowException, ValueError):
        return
    judgement = matcher.judge(pa.table({"uid": [str(number) for number in range(len(rows))], "sha256": column}))
    for number, value in enumerate(reading.values.to_pylist()):
        assert (judgement.kinds[number] >= 0) == (value is not None)
        assert not judgement.keep[number].as_py()
        assert value is None or value == rows[number][0].hex()
