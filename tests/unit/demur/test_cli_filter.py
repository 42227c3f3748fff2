"""`demur filter` as its users call it: every format, real pictures, exact bytes of what is kept."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from PIL import ImageOps

from demur.cli import main
from demur.exclusions import Entry, KeyKind
from demur.manifests import import_manifest
from demur.signing import SigningKey
from demur.similarity.fingerprint import fingerprint
from tests.support.exclusion_lists import build_version_for_today, publish_version, serve
from tests.support.pictures import jpeg, photo_bytes, png, textured_picture, write_photo_folder

KEY = SigningKey.generate("op.example")


def picture(seed: int) -> bytes:
    return png(textured_picture(seed))


def phash_entry(data: bytes) -> Entry:
    found = fingerprint(data)
    assert found.pdq_quality >= 50
    return Entry(KeyKind.PHASH, f"{found.phash:016x}", found.pdq.hex())


@pytest.fixture
def list_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "list"
    directory.mkdir()
    entries = [
        Entry(KeyKind.UID, "a1"),
        Entry(KeyKind.URL, "http://x/é"),
        Entry(KeyKind.OWNER, "bob"),
        Entry(KeyKind.SHA256, hashlib.sha256(picture(1)).hexdigest()),
        phash_entry(picture(2)),
    ]
    publish_version(directory, KEY, build_version_for_today(entries))
    return directory


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def filtered(manifest: Path, list_directory: Path, out: Path) -> dict[str, object]:
    result = run("filter", manifest, "--list", list_directory, "--key", KEY.verifier, "--out", out, "--json")
    assert result.exit_code == 0, result.stderr
    report: dict[str, object] = json.loads(result.stdout)
    return report


def test_csv_keeps_the_bytes_of_what_it_keeps(list_directory: Path, tmp_path: Path) -> None:
    head, kept = b"\xef\xbb\xbfkey,url,caption\r\n", b'a3,y,"kept\r\nline ""q"""\r\n\r\na4,,\r\n'
    manifest, out = tmp_path / "m.csv", tmp_path / "out.csv"
    manifest.write_bytes(head + b'a1,x,"one, two"\r\n' + 'a2,http://x/é,"multi\nline"\r\n'.encode() + kept)
    report = filtered(manifest, list_directory, out)
    assert out.read_bytes() == head + kept.replace(b"\r\n\r\n", b"\r\n")
    assert (report["rows"], report["kept"], report["dropped"]) == (4, 2, {"uid": 1, "url": 1})
    assert report["not_applied"] == ["owner", "phash", "sha256"]


def test_jsonl_keeps_the_bytes_of_what_it_keeps(list_directory: Path, tmp_path: Path) -> None:
    manifest, out = tmp_path / "m.jsonl", tmp_path / "out.jsonl"
    manifest.write_bytes(b'{"id": "a1"}\n\n{"id" : "a2", "x": 1.50}\n{"id": "a3", "User": "bob"}\n{"id": 4}')
    report = filtered(manifest, list_directory, out)
    assert out.read_bytes() == b'{"id" : "a2", "x": 1.50}\n{"id": 4}'
    assert report["dropped"] == {"owner": 1, "uid": 1}


def test_parquet_keeps_schema_order_and_compression(list_directory: Path, tmp_path: Path) -> None:
    found = fingerprint(picture(2))
    rows = 150_000
    table = pa.table(
        {
            "uid": ["a1", *(f"b{number}" for number in range(rows - 1))],
            "account": pa.array(["bob" if number == 7 else None for number in range(rows)]),
            "tags": [["x"]] * rows,
            "phash": pa.array([found.phash if number in (8, 9) else number for number in range(rows)], pa.uint64()),
            "pdq": pa.array([found.pdq if number in (8, 9) else bytes(32) for number in range(rows)], pa.binary(32)),
            "pdq_quality": pa.array([49 if number == 9 else 80 for number in range(rows)], pa.uint8()),
        }
    ).replace_schema_metadata({"made": "by hand"})
    pq.write_table(table, tmp_path / "m.parquet", compression="zstd")
    report = filtered(tmp_path / "m.parquet", list_directory, tmp_path / "out.parquet")
    assert report["dropped"] == {"uid": 1, "owner": 1, "phash": 1}
    with pq.ParquetFile(tmp_path / "out.parquet") as out:
        assert out.read().equals(table.filter([number not in (0, 7, 8) for number in range(rows)]))
        assert out.schema_arrow.metadata == table.schema.metadata
        assert out.metadata.row_group(0).column(0).compression == "ZSTD"


def tar_of(path: Path, members: list[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000
            tar.addfile(info, io.BytesIO(data))


def content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""


def test_webdataset_looks_at_the_pictures_too(list_directory: Path, tmp_path: Path) -> None:
    members = [
        ("d/0001.jpg", jpeg(textured_picture(3))),
        ("d/0001.json", b'{"uid": "a1"}'),
        ("d/0002.png", picture(1)),
        ("d/0003.jpg", jpeg(textured_picture(2), quality=60)),
        ("d/0003.txt", b"recompressed"),
        ("d/0004.jpg", jpeg(ImageOps.mirror(textured_picture(2)))),
        ("d/0005.png", picture(4)),
        ("d/0005.json", b'{"url": "http://x/y", "width": 160}'),
    ]
    tar_of(tmp_path / "m.tar", members)
    report = filtered(tmp_path / "m.tar", list_directory, tmp_path / "out.tar")
    assert report["dropped"] == {"uid": 1, "sha256": 1, "phash": 2}
    assert (report["rows"], report["kept"]) == (5, 1)
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert [(member.name, content(tar, member)) for member in tar] == members[6:]
        assert all(member.mtime == 1_700_000_000 for member in tar)


def test_a_directory_of_shards(list_directory: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    for name in ("00000", "00001"):
        pq.write_table(pa.table({"uid": ["a1", name]}), shards / f"{name}.parquet")
    (shards / "stats.json").write_text("{}")
    assert filtered(shards, list_directory, tmp_path / "out")["kept"] == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00000.parquet", "00001.parquet"]


def test_an_imported_catalogue_gives_its_kept_rows(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    import_manifest(write_photo_folder(tmp_path / "photos"), tmp_path / "catalogue", name="photos", workers=1)
    (tmp_path / "list").mkdir()
    publish_version(tmp_path / "list", KEY, build_version_for_today([phash_entry(photo_bytes("ada", 0)), Entry(KeyKind.OWNER, "cleo")]))
    report = filtered(tmp_path / "catalogue", tmp_path / "list", tmp_path / "out.parquet")
    kept = pq.ParquetFile(tmp_path / "out.parquet").read()
    assert report["kept"] == len(kept)
    assert {"ada-0", "ben-exact", "ben-recompressed"}.isdisjoint(kept["uid"].to_pylist())
    assert set(kept["owner"].to_pylist()) == {"ada", "ben"}
    assert {"ada-1", "ben-0"} <= set(kept["uid"].to_pylist())


def test_the_plain_report_tells_what_could_not_be_applied(list_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("uid\na1\nb\n")
    result = run("filter", tmp_path / "m.csv", "--list", list_directory, "--key", KEY.verifier, "--out", tmp_path / "out.csv")
    assert "Kept 1 of 2 rows by version 1" in result.stdout
    assert "the list has 1 owner entries, but the manifest has nothing to apply them by" in result.stderr


def test_over_http_with_a_token_from_the_environment(list_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("uid\na1\nb\n")
    with serve(list_directory) as server:
        arguments = ["filter", tmp_path / "m.csv", "--list", server.url, "--key", KEY.verifier, "--out", tmp_path / "out.csv"]
        assert run(*arguments).exit_code == 3
        assert not (tmp_path / "out.csv").exists()
        result = CliRunner().invoke(main, [str(argument) for argument in arguments], env={"DEMUR_TOKEN": "secret"})
    assert result.exit_code == 0
    assert (tmp_path / "out.csv").read_text() == "uid\nb\n"


def test_a_refused_list_ends_with_3_one_sentence_and_the_old_copy_in_place(list_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("uid\na1\nb\n")
    out = tmp_path / "out.csv"
    out.write_text("old")
    head = list_directory / "head.dsse.json"
    head.write_bytes(head.read_bytes().replace(b'"sig":"', b'"sig":"AAAA')[:-3])
    result = run("filter", tmp_path / "m.csv", "--list", list_directory, "--key", KEY.verifier, "--out", out)
    assert (result.exit_code, result.stdout, out.read_text()) == (3, "", "old")
    assert result.stderr.startswith("Refused (BadListFormat): ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", b'uid,x\n1,"'),
        ("m.csv", b"\xff\xfeu\0i\0d\0\n\0"),
        ("m.csv", b"uid,caf\xe9\n1,2\n"),
        ("m.csv", b"caption\nx\n"),
        ("m.jsonl", b'{"uid": "1"}\n{"uid":'),
        ("m.parquet", b"PAR1 and no more"),
        ("m.parquet", b""),
        ("m.tar", b"no tar"),
        ("m.tar", b""),
        ("m.xyz", b""),
        ("absent.csv", None),
    ],
)
def test_an_unreadable_manifest_ends_in_one_sentence(list_directory: Path, tmp_path: Path, name: str, content: bytes | None) -> None:
    manifest, out = tmp_path / name, tmp_path / f"out.{name}"
    if content is not None:
        manifest.write_bytes(content)
    result = run("filter", manifest, "--list", list_directory, "--key", KEY.verifier, "--out", out)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({"list", name} if content is not None else {"list"})


def test_a_cut_tar_is_refused_wherever_it_is_cut(list_directory: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.tar"
    tar_of(manifest, [("0001.txt", b"x" * 700), ("0002.txt", b"y" * 700)])
    whole = manifest.read_bytes()
    for length in (100, 512, 600, 1536, 1600, 2100, 3071, 3072):
        manifest.write_bytes(whole[:length])
        result = run("filter", manifest, "--list", list_directory, "--key", KEY.verifier, "--out", tmp_path / "out.tar")
        assert result.exit_code == 1, length
        assert not (tmp_path / "out.tar").exists()
