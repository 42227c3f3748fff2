"""One bad row costs one row: it is counted under a reason, shown as an example, and the rest is imported."""

import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demur.manifests import Catalogue, EmptySource, ImportReport, import_manifest
from demur.manifests.digest_table import U64
from tests.support.pictures import jpeg, textured_picture


def imported(source: Path) -> tuple[Catalogue, ImportReport]:
    target = source.with_name("catalogue")
    report = import_manifest(source, target, name="test", workers=0)
    return Catalogue.open(target), report


def from_columns(tmp_path: Path, **columns: object) -> tuple[list[str], ImportReport]:
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table(columns), path)
    catalogue, report = imported(path)
    return catalogue.read(0, catalogue.rows, ["uid"])["uid"].to_pylist(), report


def test_rows_without_uid(tmp_path: Path) -> None:
    uids, report = from_columns(tmp_path, uid=["a", None, "", "b"])
    assert uids == ["a", "b"]
    assert report.rejected == {"no_uid": 2}
    assert report.examples == {"no_uid": ["m.parquet, row 2: it has no uid", "m.parquet, row 3: it has no uid"]}


def test_later_copies_of_a_uid_across_owners(tmp_path: Path) -> None:
    uids, report = from_columns(tmp_path, uid=["a", "b", "a", "c", "a"], owner=["z", "y", "x", "w", "v"])
    assert uids == ["c", "b", "a"]  # by owner: the first "a" is z's
    assert report.rejected == {"duplicate_uid": 2}
    assert report.examples["duplicate_uid"] == ["uid 'a' came before", "uid 'a' came before"]


def test_a_photo_that_is_private_in_any_row_enters_by_none(tmp_path: Path) -> None:
    uids, report = from_columns(
        tmp_path, uid=["a", "b", "a", "c", "b", "b"], visibility=["public", "public", "private", "public", "friends", "public"]
    )
    assert uids == ["c"]
    assert report.rejected == {"not_public": 4, "duplicate_uid": 1}
    assert "uid 'a' is not public in another row" in report.examples["not_public"]


def test_a_shared_digest_is_not_a_shared_uid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """64-bit digests of real uids do not collide in a test's time, so here every digest is cut to two bits."""
    import demur.manifests.catalogue
    import demur.manifests.importer
    from demur.manifests.digest_table import text_digests

    def two_bits(texts: pa.Array) -> U64:
        return text_digests(texts) & 3

    monkeypatch.setattr(demur.manifests.importer, "text_digests", two_bits)
    monkeypatch.setattr(demur.manifests.catalogue, "text_digests", two_bits)
    everyone = [f"photo-{number:03d}" for number in range(100)]
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"uid": [*everyone, "photo-007", "photo-099"]}), path)
    catalogue, report = imported(path)
    assert report.rejected == {"duplicate_uid": 2}
    assert catalogue.rows == 100
    assert catalogue.find_uids(["photo-099", "photo-100", "photo-000"]).tolist() == [99, -1, 0]


@pytest.mark.parametrize(
    ("column", "values", "kept"),
    [
        ("width", ["640", "wide", "-1", "1.0", "nan"], {0: 640, 3: 1}),
        ("width", [640.0, 1.5, 1e300, float("nan"), 2.0], {0: 640, 3: None, 4: 2}),
        ("width", pa.array([1, 2**40, -1, None, 5]), {0: 1, 3: None, 4: 5}),
        ("width", [True, False, True, None, False], {3: None}),
        ("pdq_quality", [0, 100, 101, 255, None], {0: 0, 1: 100, 4: None}),
        ("sha256", ["A" * 64, "a" * 63, "g" * 64, None, "0" * 64], {0: "a" * 64, 3: None, 4: "0" * 64}),
        ("sha256", [b"\1" * 32, b"", b"short", None, b"\0" * 32], {0: "01" * 32, 1: None, 3: None, 4: "00" * 32}),
        ("phash", ["ffffffffffffffff", "-1", "xyz", None, "0000000000000001"], {0: 2**64 - 1, 3: None, 4: 1}),
        ("phash", [-1, 1, 2**62, None, 0], {0: 2**64 - 1, 1: 1, 2: 2**62, 3: None, 4: 0}),
        ("pdq", ["00" * 32, "00" * 31, b"\1".hex() * 32, None, ""], {0: bytes(32), 2: b"\1" * 32, 3: None, 4: None}),
        ("pdq", [b"\1" * 32, b"\1" * 31, b"", None, b"\2" * 32], {0: b"\1" * 32, 2: None, 3: None, 4: b"\2" * 32}),
        (
            "posted_at",
            ["2024-05-03T12:00:00Z", "2024-05-03 14:00:00+02:00", "yesterday", None, "2024-05-03"],
            {
                0: datetime.fromisoformat("2024-05-03T12:00"),
                1: datetime.fromisoformat("2024-05-03T12:00"),
                3: None,
                4: datetime.fromisoformat("2024-05-03"),
            },
        ),
        (
            "posted_at",
            pa.array([1_714_737_600_123_456, 0, None, 1, 2], pa.timestamp("us", "Europe/Berlin")),
            {
                0: datetime.fromisoformat("2024-05-03T12:00"),
                1: datetime.fromisoformat("1970-01-01"),
                2: None,
                3: datetime.fromisoformat("1970-01-01"),
                4: datetime.fromisoformat("1970-01-01"),
            },
        ),
        (
            "posted_at",
            [1_714_737_600, 0, None, 1, 2],
            {0: datetime.fromisoformat("2024-05-03T12:00"), 1: datetime.fromisoformat("1970-01-01"), 2: None},
        ),
        ("caption", [b"fine", b"\xff\xfe", None, b"", "ü".encode()], {0: "fine", 2: None, 3: "", 4: "ü"}),
        ("caption", [["a list"], None, ["b"], ["c"], ["d"]], {1: None}),
    ],
)
def test_values_of_the_wrong_type(tmp_path: Path, column: str, values: object, kept: dict[int, object]) -> None:
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"uid": list("01234"), column: values}), path)
    catalogue, report = imported(path)
    rows = {int(row["uid"]): row[column] for row in catalogue.read(0, 5).to_pylist()}
    assert kept.items() <= rows.items()
    assert len(rows) + report.rejected.get("wrong_type", 0) == 5
    assert all(f"{column} is" in example for example in report.examples.get("wrong_type", []))


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    damaged = pa.StringArray.from_buffers(3, pa.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0])), pa.py_buffer(b"a\xffc"))
    uids, report = from_columns(tmp_path, uid=["1", "2", "3"], caption=damaged)
    assert uids == ["1", "3"]
    assert report.examples == {"wrong_type": ["m.parquet, row 2: caption is not UTF-8 text"]}


def test_csv_rows_with_too_few_or_too_many_fields(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"uid,caption\na,one\nb\nc,two,three\nd,\xff\ne,five\n")
    catalogue, report = imported(tmp_path / "m.csv")
    assert catalogue.read(0, 9, ["uid"])["uid"].to_pylist() == ["a", "e"]
    assert report.rejected == {"malformed_row": 3}
    assert report.examples["malformed_row"][0] == "m.csv, row 2: it has more or fewer cells than the header: b'b\\n'"


def test_jsonl_lines_of_every_shape(tmp_path: Path) -> None:
    lines = [
        '{"uid": "a", "width": 5}',
        "{not json",
        "[1]",
        "",
        '{"uid": 7, "width": "6"}',
        '{"width": 5}',
        '{"uid": {"x": 1}}',
        '{"uid": "b", "width": "?"}',
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(lines) + "\n")
    catalogue, report = imported(tmp_path / "m.jsonl")
    assert catalogue.read(0, 9, ["uid", "width"]).to_pylist() == [{"uid": "7", "width": 6}, {"uid": "a", "width": 5}]
    assert report.rejected == {"malformed_row": 2, "no_uid": 1, "wrong_type": 2}


def test_pictures_that_cannot_be_read_or_lie_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    good = jpeg(textured_picture(1))
    (folder / "good.jpg").write_bytes(good)
    (folder / "cut.jpg").write_bytes(good[:2000])
    (folder / "text.png").write_bytes(b"hello")
    (folder / "old.bmp").write_bytes(b"BM....")
    (tmp_path / "secret.jpg").write_bytes(good)
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    paths = ["good.jpg", "cut.jpg", "text.png", "old.bmp", "../secret.jpg", "/etc/passwd", "link.jpg", "gone.jpg", None]
    rows = [{"uid": str(number), "path": path} for number, path in enumerate(paths)]
    (folder / "photos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    catalogue, report = imported(folder)
    assert catalogue.rows == 1
    assert report.rejected == {"unreadable_picture": 3, "path_outside": 3, "missing_picture": 2}


def test_at_most_five_examples_of_a_reason(tmp_path: Path) -> None:
    uids, report = from_columns(tmp_path, uid=["a", *[None] * 40])
    assert uids == ["a"]
    assert report.rejected == {"no_uid": 40}
    assert len(report.examples["no_uid"]) == 5


def test_a_manifest_without_one_good_row_is_refused_with_the_reasons(tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": [None, ""], "visibility": ["public", "private"]}), tmp_path / "m.parquet")
    with pytest.raises(EmptySource, match="no_uid 1, not_public 1"):
        import_manifest(tmp_path / "m.parquet", tmp_path / "catalogue", name="test")
    assert [path.name for path in tmp_path.iterdir()] == ["m.parquet"]
