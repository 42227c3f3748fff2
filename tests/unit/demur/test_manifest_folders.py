"""Folders as people have them: shards in Hive folders, empty shards, paths as other systems spell them, pipes and loops of links."""

import json
import os
import tarfile
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demur.exclusions import Entry, ExclusionList, KeyKind
from demur.exclusions.columns import BadKeyColumn
from demur.filtering import UnreadableManifest, filter_manifest
from demur.manifests import Catalogue, ImportReport, TruncatedSource, UnknownFormat, import_manifest
from demur.signing import SigningKey
from tests.support.exclusion_lists import build_version_for_today, publish_version
from tests.support.pictures import jpeg, textured_picture

KEY = SigningKey.generate("op.example")
PICTURE = jpeg(textured_picture(1))


@pytest.fixture(scope="module")
def exclusions(tmp_path_factory: pytest.TempPathFactory) -> ExclusionList:
    directory = tmp_path_factory.mktemp("list")
    publish_version(directory, KEY, build_version_for_today([Entry(KeyKind.UID, "listed")]))
    return ExclusionList.open(directory, key=KEY.verifier)


def imported(source: Path, **options: bool) -> tuple[Catalogue, ImportReport]:
    target = source.with_name("catalogue")
    report = import_manifest(source, target, name="test", workers=0, **options)
    return Catalogue.open(target), report


def uids(catalogue: Catalogue) -> list[str]:
    found: list[str] = sorted(catalogue.read(0, catalogue.rows, ["uid"])["uid"].to_pylist())
    return found


def shards(folder: Path, **tables: dict[str, list[object]]) -> Path:
    for name, columns in tables.items():
        path = folder / f"{name.replace('__', '/')}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
    return folder


def test_shards_in_hive_folders_are_imported_and_filtered_in_their_folders(tmp_path: Path, exclusions: ExclusionList) -> None:
    root = tmp_path / "m"
    for part, uid in (("part=0", "a"), ("part=1/day=2024-05-03", "listed")):
        shards(root / part, x={"uid": [uid, f"{uid}-2"]})
    assert uids(imported(root)[0]) == ["a", "a-2", "listed", "listed-2"]
    report = filter_manifest(root, tmp_path / "out", exclusions)
    assert (report.rows, report.kept) == (4, 3)
    assert pq.read_table(tmp_path / "out/part=1/day=2024-05-03/x.parquet")["uid"].to_pylist() == ["listed-2"]


@pytest.mark.parametrize("folder", ["2024", "part=0/old", "part"])
def test_shards_in_folders_that_nobody_reads_are_named(tmp_path: Path, exclusions: ExclusionList, folder: str) -> None:
    root = tmp_path / "m"
    shards(root, x={"uid": ["a"]})
    shards(root / folder, y={"uid": ["listed"]})
    with pytest.raises(UnknownFormat, match=f"m/{folder}/y.parquet lies in a folder that is not read"):
        imported(root)
    with pytest.raises(UnknownFormat, match=f"m/{folder}/y.parquet lies in a folder that is not read"):
        filter_manifest(root, tmp_path / "out", exclusions)


@pytest.mark.parametrize("folder", ["_temporary/0", ".cache", "images", "part=0"])
def test_what_is_no_shard_of_a_directory_stands_in_nobodys_way(tmp_path: Path, folder: str) -> None:
    root = tmp_path / "m"
    shards(root, x={"uid": ["a"]})
    (root / folder).mkdir(parents=True)
    (root / folder / "y.csv").write_text("uid\nlisted\n")
    if folder[0] in "._":
        shards(root / folder, y={"uid": ["listed"]})
    assert uids(imported(root)[0]) == ["a"]


def test_what_the_names_of_hive_folders_say_is_said_of_their_rows(tmp_path: Path, exclusions: ExclusionList) -> None:
    root = tmp_path / "m"
    shards(root / "owner=ada%20l", x={"uid": ["a"]})
    shards(root / "owner=__HIVE_DEFAULT_PARTITION__", x={"uid": ["b"]})
    catalogue, _ = imported(root)
    assert [(row["uid"], row["owner"]) for row in catalogue.read(0, 2, ["uid", "owner"]).to_pylist()] == [("b", ""), ("a", "ada l")]
    with pytest.raises(BadKeyColumn, match="names the owner of its rows by its folders"):
        filter_manifest(root, tmp_path / "out", exclusions)


@pytest.mark.parametrize("name", ["b.parquet", "b.csv", "b.jsonl", "b.tar"])
def test_a_shard_of_no_bytes_is_named_and_left_out_when_asked(tmp_path: Path, exclusions: ExclusionList, name: str) -> None:
    root = tmp_path / "m"
    root.mkdir()
    if name.endswith("parquet"):
        shards(root, a={"uid": ["a"]})
    elif name.endswith("tar"):
        with tarfile.open(root / "a.tar", "w") as tar:
            (tmp_path / "a.jpg").write_bytes(PICTURE)
            tar.add(tmp_path / "a.jpg", "a.jpg")
    else:
        (root / name.replace("b.", "a.")).write_text('{"uid": "a"}\n' if "json" in name else "uid\na\n")
    (root / name).write_bytes(b"")
    with pytest.raises(TruncatedSource, match=rf"{name} is empty \(0 bytes\); --skip-empty"):
        imported(root)
    with pytest.raises(UnreadableManifest, match=rf"{name} is empty"):
        filter_manifest(root, tmp_path / "out", exclusions)
    assert uids(imported(root, skip_empty=True)[0]) == ["a"]
    assert filter_manifest(root, tmp_path / "out", exclusions, skip_empty=True).kept == 1


def test_shards_whose_uids_are_of_other_types_are_one_manifest(tmp_path: Path, exclusions: ExclusionList) -> None:
    root = shards(tmp_path / "m", a={"uid": [1, 2]}, b={"uid": ["listed", "3"]})
    assert uids(imported(root)[0]) == ["1", "2", "3", "listed"]
    assert filter_manifest(root, tmp_path / "out", exclusions).kept == 3


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl", "tar"])
@pytest.mark.parametrize("kind", ["a pipe", "a loop of links", "a link that leads nowhere"])
def test_a_shard_that_is_no_plain_file_is_named(tmp_path: Path, exclusions: ExclusionList, ending: str, kind: str) -> None:
    root = tmp_path / "m"
    shards(root, a={"uid": ["a"]})
    odd = root / f"b.{ending}"
    if kind == "a pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to(odd if kind == "a loop of links" else tmp_path / "gone")
    with pytest.raises(TruncatedSource, match=rf"b\.{ending} is no plain file"):
        imported(root)
    with pytest.raises(UnreadableManifest, match=rf"b\.{ending} is no plain file"):
        filter_manifest(root, tmp_path / "out", exclusions)


PATHS = {
    "as it is": "straße/é 1.jpg",
    "url-encoded": "stra%C3%9Fe/%C3%A9%201.jpg",
    "back-slashed": "straße\\é 1.jpg",
    "decomposed": unicodedata.normalize("NFD", "straße/é 1.jpg"),
    "back-slashed and url-encoded": "stra%C3%9Fe\\%C3%A9%201.jpg",
}
NO_PATHS = {
    "NUL": ("straße/é 1.jpg\0", "wrong_type"),
    "5,000 letters": ("x" * 5000, "wrong_type"),
    "4,000 letters": ("x" * 4000, "path_outside"),
    "absolute": ("/etc/hostname", "path_outside"),
    "absolute and url-encoded": ("%2Fetc%2Fhostname", "missing_picture"),
    "out of the folder": ("..\\secret.jpg", "missing_picture"),
    "out of the folder, url-encoded": ("..%2Fsecret.jpg", "missing_picture"),
    "other letter case": ("STRASSE/É 1.JPG", "missing_picture"),
    "a pipe": ("pipe.jpg", "missing_picture"),
    "a loop of links": ("loop.jpg", "path_outside"),
    "a folder": ("straße", "missing_picture"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "straße").mkdir(parents=True)
    (root / "straße" / "é 1.jpg").write_bytes(PICTURE)
    (tmp_path / "secret.jpg").write_bytes(PICTURE)
    os.mkfifo(root / "pipe.jpg")
    (root / "loop.jpg").symlink_to(root / "loop.jpg")
    (root / "around").symlink_to(root)
    return root


@pytest.mark.parametrize("kind", PATHS)
def test_a_path_is_understood_as_other_systems_spell_it(folder: Path, kind: str) -> None:
    (folder / "metadata.jsonl").write_text(json.dumps({"uid": "a", "file_name": PATHS[kind]}) + "\n")
    catalogue, report = imported(folder)
    assert (catalogue.picture(0), report.rejected) == (PICTURE, {})


@pytest.mark.parametrize("kind", NO_PATHS)
def test_a_path_that_leads_nowhere_costs_its_row(folder: Path, kind: str) -> None:
    path, reason = NO_PATHS[kind]
    rows = [{"uid": "a", "file_name": path}, {"uid": "z", "file_name": "straße/é 1.jpg"}]
    pq.write_table(pa.Table.from_pylist(rows), folder / "m.parquet")
    catalogue, report = imported(folder)
    assert uids(catalogue) == ["z"]
    assert set(report.rejected) <= {reason, "missing_picture", "path_outside"}
    assert sum(report.rejected.values()) == 1


def test_a_folder_with_a_pipe_and_a_loop_of_links_is_read_to_its_end(folder: Path) -> None:
    (folder / "no suffix").write_bytes(PICTURE)
    (folder / "photo.jpg_large").write_bytes(PICTURE)
    (folder / "notes").write_text("no picture")
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(PICTURE)
    catalogue, report = imported(folder)
    assert uids(catalogue) == ["no suffix", "photo.jpg_large", "straße/é 1.jpg"]
    assert report.rejected == {"missing_picture": 3}


def test_hugging_faces_imagefolder_has_a_table_in_each_split(tmp_path: Path) -> None:
    root = tmp_path / "imagefolder"
    for split in ("test", "train"):
        (root / split / "cats").mkdir(parents=True)
        (root / split / "cats" / "1.jpg").write_bytes(PICTURE)
        (root / split / "unlisted.jpg").write_bytes(PICTURE)
        (root / split / "metadata.jsonl").write_text(json.dumps({"file_name": "cats/1.jpg", "text": f"a cat of {split}"}) + "\n")
    catalogue, report = imported(root)
    rows = catalogue.read(0, 2, ["uid", "caption"]).to_pylist()
    assert rows == [{"uid": f"{split}/cats/1.jpg", "caption": f"a cat of {split}"} for split in ("test", "train")]
    assert report.rejected == {"unlisted_picture": 2}
    assert catalogue.picture(1) == PICTURE


@pytest.mark.parametrize("caption", ["x" * 3_000_000, ["a", "list"], "nul \0"])
def test_a_caption_that_no_catalogue_may_hold_costs_its_row(tmp_path: Path, caption: object) -> None:
    shards(tmp_path / "m", a={"uid": ["a"], "caption": [caption]}, z={"uid": ["z"], "caption": ["fine"]})
    catalogue, report = imported(tmp_path / "m")
    assert (uids(catalogue), report.rejected) == (["z"], {"wrong_type": 1})


@pytest.mark.parametrize(("column", "length"), [("uid", 20_000), ("owner", 2_000), ("url", 10_000)])
def test_a_uid_that_no_address_could_hold_costs_its_row(tmp_path: Path, column: str, length: int) -> None:
    rows = [{"uid": "a", column: "x" * length}, {"uid": "z", column: "z"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "m.parquet")
    catalogue, report = imported(tmp_path / "m.parquet")
    assert (uids(catalogue), sum(report.rejected.values())) == (["z"], 1)


@pytest.mark.parametrize("work", ["import", "filter"])
def test_a_compressed_tar_is_read_once_forwards(tmp_path: Path, exclusions: ExclusionList, work: str) -> None:
    """Counted in bytes that are read, not in seconds: with every picture from the start, it would be hundreds of times as many."""
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz", compresslevel=1) as tar:
        (tmp_path / "a.jpg").write_bytes(PICTURE)
        for number in range(300):
            tar.add(tmp_path / "a.jpg", f"{number:03d}.jpg")
    before = bytes_read()
    if work == "import":
        rows = imported(tmp_path / "m.tar.gz")[0].rows
    else:
        rows = filter_manifest(tmp_path / "m.tar.gz", tmp_path / "out.tar.gz", exclusions).kept
    assert rows == 300
    assert bytes_read() - before < 20 * (tmp_path / "m.tar.gz").stat().st_size


def bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().partition("rchar: ")[2].split()[0])
