import csv
import gzip
import io
import json
import tarfile
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demur.manifests import Catalogue, ImportReport, Progress, import_manifest
from demur.similarity.fingerprint import fingerprint
from tests.support.pictures import jpeg, textured_picture

PHOTOS = {f"photo-{number}": jpeg(textured_picture(number)) for number in range(5)}
PRINTS = {uid: fingerprint(data) for uid, data in PHOTOS.items()}


def imported(source: Path, **options: object) -> tuple[Catalogue, ImportReport]:
    target = source.with_name(f"{source.name}-catalogue")
    report = import_manifest(source, target, name="test", workers=0, **options)  # type: ignore[arg-type]
    return Catalogue.open(target), report


def rows_of(catalogue: Catalogue) -> dict[str, dict[str, object]]:
    return {row["uid"]: row for row in catalogue.read(0, catalogue.rows).to_pylist()}


def assert_fingerprints(catalogue: Catalogue) -> None:
    """Every picture can be read back and has the fingerprint of its bytes."""
    for position, (uid, row) in enumerate(rows_of(catalogue).items()):
        print_ = PRINTS[uid]
        assert (row["sha256"], row["phash"], row["pdq"]) == (print_.sha256, print_.phash, print_.pdq)
        assert (row["pdq_quality"], row["width"], row["height"]) == (print_.pdq_quality, 320, 240)
        assert catalogue.picture(position) == PHOTOS[uid]
        assert catalogue.pdq([position])[0].tobytes() == print_.pdq


def write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_photos(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    for uid, data in PHOTOS.items():
        (folder / f"{uid}.jpg").write_bytes(data)
    return [f"{uid}.jpg" for uid in PHOTOS]


def test_a_folder_is_named_by_its_paths_and_owned_by_its_top_folders(tmp_path: Path) -> None:
    write_photos(tmp_path / "mine" / "ada" / "2024")
    (tmp_path / "mine" / "ada" / "2024" / "photo-0.txt").write_text("A harbour at dawn.\nde=Ein Hafen im Morgengrauen.\n")
    (tmp_path / "mine" / "on_the-top.PNG").write_bytes((tmp_path / "mine" / "ada" / "2024" / "photo-1.jpg").read_bytes())
    (tmp_path / "mine" / ".hidden.jpg").write_bytes(b"not looked at")
    catalogue, report = imported(tmp_path / "mine")
    rows = rows_of(catalogue)
    assert report.rows == catalogue.rows == 6
    assert rows["ada/2024/photo-0.jpg"]["caption"] == "A harbour at dawn."
    assert rows["ada/2024/photo-1.jpg"]["caption"] == "photo 1"
    assert {row["owner"] for row in rows.values()} == {"ada", ""}
    assert catalogue.owner_rows("") == range(1)
    assert catalogue.owner_rows("ada") == range(1, 6)


@pytest.mark.parametrize("table", ["photos.csv", "metadata.jsonl"])
def test_a_folder_with_a_table_takes_only_what_the_table_lists(tmp_path: Path, table: str) -> None:
    folder = tmp_path / "mine"
    paths = write_photos(folder)
    rows: list[dict[str, object]] = [
        {"path": path, "uid": uid, "owner": "ada", "visibility": "public", "posted_at": "2024-05-03T12:00:00Z"}
        for path, uid in zip(paths, PHOTOS, strict=True)
    ]
    rows[1]["visibility"] = "friends"
    rows[2]["visibility"] = ""
    rows[3]["path"] = "gone.jpg"
    del rows[4]
    if table.endswith(".csv"):
        write_csv(folder / table, rows)
    else:
        (folder / table).write_text("".join(json.dumps(row) + "\n" for row in rows))
    catalogue, report = imported(folder)
    assert list(rows_of(catalogue)) == ["photo-0"]
    assert report.rejected == {"not_public": 2, "missing_picture": 1, "unlisted_picture": 2}
    assert rows_of(catalogue)["photo-0"]["posted_at"] == datetime.fromisoformat("2024-05-03T12:00")
    assert rows_of(catalogue)["photo-0"]["caption"] == "photo 0"
    assert_fingerprints(catalogue)


def test_a_table_without_uids_names_rows_by_path(tmp_path: Path) -> None:
    paths = write_photos(tmp_path / "mine")
    write_csv(tmp_path / "mine" / "captions.csv", [{"file_name": path, "text": f"it is {path}"} for path in paths])
    catalogue, _ = imported(tmp_path / "mine")
    assert rows_of(catalogue)["photo-3.jpg"]["caption"] == "it is photo-3.jpg"


def manifest_rows() -> list[dict[str, object]]:
    return [
        {
            "uid": uid,
            "owner": f"owner-{number % 2}",
            "url": f"https://photos.example/{uid}",
            "caption": f'a "quoted"\ncaption, with a comma {number}',
            "width": one.width,
            "height": one.height,
            "sha256": one.sha256,
            "phash": f"{one.phash:016x}",
            "pdq": one.pdq.hex(),
            "pdq_quality": one.pdq_quality,
            "posted_at": f"2024-05-0{number + 1} 12:00:00",
        }
        for number, (uid, one) in enumerate(PRINTS.items())
    ]


@pytest.mark.parametrize(
    "name", ["m.csv", "m.csv.gz", "m.jsonl", "m.jsonl.gz", "m.parquet", "shards.csv", "shards.jsonl", "shards.parquet"]
)
def test_every_kind_of_table_gives_the_same_catalogue(tmp_path: Path, name: str) -> None:
    rows = manifest_rows()
    stem, kind = name.split(".", 1)
    source = tmp_path / name if stem == "m" else tmp_path / "shards"
    parts = [(source, rows)] if stem == "m" else [(source / f"{start}.{kind}", rows[start : start + 2]) for start in (0, 2, 4)]
    for path, part in parts:
        path.parent.mkdir(exist_ok=True)
        plain = path.with_suffix("") if path.suffix == ".gz" else path
        if plain.suffix == ".csv":
            write_csv(plain, part)
        elif plain.suffix == ".jsonl":
            plain.write_text("".join(json.dumps(row) + "\n" for row in part))
        else:
            pq.write_table(pa.Table.from_pylist(part), plain)
        if path.suffix == ".gz":
            path.write_bytes(gzip.compress(plain.read_bytes()))
            plain.unlink()
    catalogue, report = imported(source)
    assert report.rejected == {}
    assert [row["uid"] for row in catalogue.read(0, 5).to_pylist()] == ["photo-0", "photo-2", "photo-4", "photo-1", "photo-3"]
    for number, (uid, one) in enumerate(PRINTS.items()):
        row = rows_of(catalogue)[uid]
        assert row["caption"] == rows[number]["caption"]
        assert (row["sha256"], row["phash"], row["pdq"], row["pdq_quality"]) == (one.sha256, one.phash, one.pdq, one.pdq_quality)
        assert row["posted_at"] == datetime.fromisoformat(f"2024-05-0{number + 1}T12:00")


def test_the_columns_of_other_peoples_manifests_are_understood(tmp_path: Path) -> None:
    laion = pa.table(
        {"SAMPLE_ID": pa.array([11, 12], pa.int64()), "URL": ["https://a", "https://b"], "TEXT": ["x", None], "WIDTH": [640.0, 800.0]}
    )
    pq.write_table(laion, tmp_path / "laion.parquet")
    catalogue, _ = imported(tmp_path / "laion.parquet")
    assert [(row["uid"], row["url"], row["caption"], row["width"]) for row in rows_of(catalogue).values()] == [
        ("11", "https://a", "x", 640),
        ("12", "https://b", None, 800),
    ]


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_webdataset_tars(tmp_path: Path, ending: str) -> None:
    source = tmp_path / "shards"
    source.mkdir()
    uids = list(PHOTOS)
    for shard, part in enumerate((uids[:3], uids[3:])):
        with tarfile.open(source / f"{shard:05d}.{ending}", "w:gz" if ending == "tar.gz" else "w") as tar:
            for uid in part:
                add(tar, f"{'long-folder-name/' * 9}{uid}.jpg", PHOTOS[uid])
                add(tar, f"{'long-folder-name/' * 9}{uid}.txt", f"caption of {uid}".encode())
                add(
                    tar,
                    f"{'long-folder-name/' * 9}{uid}.json",
                    json.dumps({"uid": uid, "url": f"https://{uid}", "path": "/nowhere"}).encode(),
                )
            add(tar, f"lonely-{shard}.txt", b"a caption without a picture")
    catalogue, report = imported(source)
    assert report.rejected == {"missing_picture": 2}
    assert rows_of(catalogue)["photo-4"]["caption"] == "caption of photo-4"
    assert rows_of(catalogue)["photo-4"]["url"] == "https://photo-4"
    assert_fingerprints(catalogue)


def test_img2dataset_output_keeps_failed_rows_out_and_reads_pictures_from_its_tars(tmp_path: Path) -> None:
    source = tmp_path / "img2dataset"
    source.mkdir()
    keys = [f"{number:09d}" for number in range(4)]
    with tarfile.open(source / "00000.tar", "w") as tar:
        for key, uid in zip(keys[:3], PHOTOS, strict=False):
            add(tar, f"{key}.jpg", PHOTOS[uid])
            add(tar, f"{key}.json", b"{}")
    columns = {
        "url": [f"https://photos.example/{key}" for key in keys],
        "key": keys,
        "status": ["success", "success", "success", "failed_to_download"],
        "error_message": [None, None, None, "timeout"],
        "sha256": ["0" * 64] * 4,
    }
    pq.write_table(pa.table(columns), source / "00000.parquet")
    catalogue, report = imported(source)
    assert report.rejected == {"download_failed": 1}
    assert catalogue.source_kind == "parquet"
    for position, uid in enumerate(list(PHOTOS)[:3]):
        assert catalogue.picture(position) == PHOTOS[uid]
        assert catalogue.take([position], ["phash"])["phash"][0].as_py() == PRINTS[uid].phash


def test_progress_goes_through_every_stage_in_the_callers_thread(tmp_path: Path) -> None:
    write_photos(tmp_path / "mine")
    seen: list[Progress] = []
    imported(tmp_path / "mine", progress=seen.append)
    assert [one.stage for one in seen if one.done == one.total] == ["reading", "writing", "indexing"]
    assert all(one.total == 5 for one in seen)


def test_the_same_manifest_gives_the_same_digest_whatever_the_order_of_its_rows(tmp_path: Path) -> None:
    rows = manifest_rows()
    digests = set()
    for number, order in enumerate((rows, rows[::-1])):
        folder = tmp_path / str(number)
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(order).append_column("row", pa.nulls(5)), folder / "m.parquet")
        catalogue, report = imported(folder / "m.parquet")
        assert catalogue.digest == report.digest
        digests.add(tuple(catalogue.read(0, 5, ["uid", "owner", "caption"]).to_pylist()[0].items()))
    assert len(digests) == 1
