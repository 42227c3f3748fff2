"""A row that could not be compared with the list is counted and left out, whatever it is that could not be compared."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demur.exclusions import Entry, EntryTable, ExclusionList, KeyKind
from demur.exclusions.columns import KEY_COLUMNS, BadKeyColumn, NoKeyColumn
from demur.exclusions.matching import Matcher
from demur.filtering import FilterReport, UnreadableRows, filter_manifest
from demur.manifests import Catalogue, import_manifest
from demur.signing import SigningKey
from demur.similarity.fingerprint import fingerprint
from tests.support.exclusion_lists import build_version_for_today, publish_version
from tests.support.pictures import jpeg, textured_picture
from tests.support.spellings import SAME_UID

KEY = SigningKey.generate("op.example")
FREE = jpeg(textured_picture(2, 160, 120))
LOOK = fingerprint(jpeg(textured_picture(5, 320, 240)))
SHA256, PHASH = Entry(KeyKind.SHA256, "ab" * 32), Entry(KeyKind.PHASH, f"{LOOK.phash:016x}", LOOK.pdq.hex())
UID = Entry(KeyKind.UID, "p2")


def list_of(folder: Path, *entries: Entry) -> ExclusionList:
    (folder / "list").mkdir()
    publish_version(folder / "list", KEY, build_version_for_today(list(entries)))
    return ExclusionList.open(folder / "list", key=KEY.verifier)


def filtered(folder: Path, exclusions: ExclusionList, name: str, content: pa.Table | str, allow: int = 0) -> FilterReport:
    if isinstance(content, str):
        (folder / name).write_text(content)
    else:
        pq.write_table(content, folder / name)
    return filter_manifest(folder / name, folder / f"out-{name}", exclusions, allow_unreadable=allow)


@pytest.mark.parametrize(
    ("column", "bound"),
    [
        (pa.array(np.array([2049, 5], np.float16)), 2**11),
        (pa.array(np.array([16777217, 5], np.float32)), 2**24),
        (pa.array([9007199254740993.0, 5.0]), 2**53),
    ],
)
def test_a_float_is_exact_only_below_what_its_own_type_holds(column: pa.Array, bound: int) -> None:
    reading = KEY_COLUMNS["uid"].read(column)
    assert ([fault.reason for fault in reading.faults], reading.values.to_pylist()) == (
        ["uid: a float too large to hold a whole number exactly"],
        [None, "5"],
    )
    assert KEY_COLUMNS["uid"].read(pa.array([float(bound - 1)]).cast(column.type)).values.to_pylist() == [bound - 1]


def test_a_json_number_with_a_point_that_a_float_cannot_hold_is_counted(tmp_path: Path) -> None:
    exclusions = list_of(tmp_path, Entry(KeyKind.UID, "9007199254740993"))
    report = filtered(tmp_path, exclusions, "m.jsonl", '{"uid": 9007199254740993.0}\n{"uid": 5}\n', allow=1)
    assert (report.kept, report.unreadable_rows) == (1, 1)


@pytest.mark.parametrize("kind", [pa.int32(), pa.uint32(), pa.int8(), pa.decimal128(18, 0), pa.float64()])
def test_a_phash_of_fewer_than_64_bits_is_refused_by_its_type(kind: pa.DataType) -> None:
    with pytest.raises(BadKeyColumn, match=f"a column of {kind}".replace("(", "[(]").replace(")", "[)]")):
        KEY_COLUMNS["phash"].read(pa.array([1, 2], pa.int8()).cast(kind))


@pytest.mark.parametrize("digests", [[None, None], ["cd" * 32, None]])
def test_rows_without_a_value_in_any_compared_column_are_unreadable(tmp_path: Path, digests: list[str | None]) -> None:
    table = pa.table({"uid": ["a", "b"], "sha256": pa.array(digests, pa.string())})
    with pytest.raises(UnreadableRows, match="no value in any column that entries of the list are compared with"):
        filtered(tmp_path, list_of(tmp_path, SHA256), "m.parquet", table)


@pytest.mark.parametrize("missing", ["phash", "pdq", "pdq_quality"])
def test_rows_whose_look_is_not_whole_are_unreadable_where_only_looks_are_listed(tmp_path: Path, missing: str) -> None:
    columns = {"phash": pa.array([1, 2], pa.uint64()), "pdq": pa.array([b"x" * 32] * 2, pa.binary(32)), "pdq_quality": pa.array([90, 90])}
    columns[missing] = pa.nulls(2, columns[missing].type)
    with pytest.raises(UnreadableRows, match="2 of 2 rows"):
        filtered(tmp_path, list_of(tmp_path, PHASH), "m.parquet", pa.table({"uid": ["a", "b"], **columns}))


def test_a_column_without_any_value_is_told(tmp_path: Path) -> None:
    table = pa.table({"uid": ["a", "b"], "sha256": pa.nulls(2, pa.string())})
    report = filtered(tmp_path, list_of(tmp_path, UID, SHA256), "m.parquet", table)
    assert (report.kept, report.not_applied) == (2, [KeyKind.SHA256])


@pytest.mark.parametrize("header", ["photo_id,url", "uid;sha256,url", "uid.1,url"])
def test_a_manifest_in_which_nothing_can_be_compared_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(NoKeyColumn, match=r"the list excludes by uid, and .*m\.csv has no column for that, only url"):
        filtered(tmp_path, list_of(tmp_path, UID), "m.csv", f"{header}\np2,x\n", allow=9)


def test_json_rows_in_which_nothing_can_be_compared_are_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableRows, match="1 of 1 rows"):
        filtered(tmp_path, list_of(tmp_path, UID), "m.jsonl", '{"photo": {"uid": "p2"}, "url": "u"}\n', allow=9)
    mixed = '{"photo": {"uid": "p2"}, "url": "u"}\n{"uid": "p3", "url": "u"}\n'
    assert filtered(tmp_path, ExclusionList.open(tmp_path / "list", key=KEY.verifier), "n.jsonl", mixed, allow=1).unreadable_rows == 1


def encoded(kind: str) -> bytes:
    held = io.BytesIO()
    textured_picture(5, 320, 240).resize((160, 120)).save(held, kind)
    return held.getvalue()


def filtered_tar(
    folder: Path, exclusions: ExclusionList, members: list[tuple[str, bytes]], allow: int = 0
) -> tuple[list[str], FilterReport]:
    with tarfile.open(folder / "m.tar", "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    report = filter_manifest(folder / "m.tar", folder / "out.tar", exclusions, allow_unreadable=allow)
    with tarfile.open(folder / "out.tar") as tar:
        return tar.getnames(), report


@pytest.mark.parametrize("kind", ["PPM", "TGA", "ICO", "PCX", "DDS", "SGI", "BMP"])
@pytest.mark.parametrize("suffix", ["", "bin"])
def test_a_listed_file_is_excluded_by_its_digest_whatever_kind_of_picture_it_is(tmp_path: Path, kind: str, suffix: str) -> None:
    listed = encoded(kind)
    exclusions = list_of(tmp_path, Entry(KeyKind.SHA256, hashlib.sha256(listed).hexdigest()))
    names, report = filtered_tar(tmp_path, exclusions, [(f"z1.{suffix or kind.lower()}", listed), ("ok.jpg", FREE)])
    assert (names, report.dropped) == (["ok.jpg"], {KeyKind.SHA256: 1})


@pytest.mark.parametrize("kind", ["BMP", "PPM", "TGA", "PCX"])
def test_a_picture_that_is_not_decoded_is_unreadable_where_looks_are_listed(tmp_path: Path, kind: str) -> None:
    members = [(f"z1.{kind.lower()}", encoded(kind)), ("ok.jpg", FREE)]
    with pytest.raises(UnreadableRows, match="a picture that cannot be decoded"):
        filtered_tar(tmp_path, list_of(tmp_path, PHASH), members)
    exclusions = ExclusionList.open(tmp_path / "list", key=KEY.verifier)
    names, report = filtered_tar(tmp_path, exclusions, members, allow=1)
    assert (names, report.unreadable_rows) == (["ok.jpg"], 1)


@pytest.mark.parametrize("entry", [SHA256, PHASH])
@pytest.mark.parametrize("name", ["z1.npy", "z1.mp4", "z1.txt"])
def test_a_sample_without_a_picture_is_unreadable_where_pictures_are_listed(tmp_path: Path, entry: Entry, name: str) -> None:
    names, report = filtered_tar(tmp_path, list_of(tmp_path, UID, entry), [(name, b"made of one"), ("ok.jpg", FREE)], allow=1)
    assert (names, list(report.unreadable)) == (["ok.jpg"], ["no picture, while the list has pictures to compare"])


def test_an_unreadable_part_makes_all_parts_of_its_key_unreadable(tmp_path: Path) -> None:
    members = [("z1.json", b'{"uid": "p2"'), ("ok.jpg", FREE), ("z1.jpg", FREE)]
    names, report = filtered_tar(tmp_path, list_of(tmp_path, UID), members, allow=2)
    assert (names, report.unreadable_rows) == (["ok.jpg"], 2)


@pytest.mark.parametrize("spelled", ["./a/p2.jpg", "a//p2.jpg", "a/../a/p2.jpg", "b/./../a/p2.jpg"])
def test_a_path_is_one_uid_however_it_is_spelled(tmp_path: Path, spelled: str) -> None:
    root = picture_folder(tmp_path / "photos", "a/p2.jpg", "a/p3.jpg")
    (root / "photos.csv").write_text(f"path,caption\n{spelled},x\na/p3.jpg,y\n")
    assert imported_uids(root, tmp_path / "whole") == imported_uids(root / "photos.csv", tmp_path / "table") == ["a/p2.jpg", "a/p3.jpg"]
    for number, entry in enumerate(["a/p2.jpg", spelled]):
        folder = tmp_path / str(number)
        folder.mkdir()
        exclusions = list_of(folder, Entry(KeyKind.UID, entry))
        assert filter_manifest(root / "photos.csv", folder / "out.csv", exclusions).kept == 1
        assert filter_manifest(root, folder / "out", exclusions).kept == 1


def test_the_tables_of_a_folder_are_filtered_as_the_import_reads_them(tmp_path: Path) -> None:
    root = picture_folder(tmp_path / "hf", "train/1.jpg", "test/1.jpg")
    for split in ("train", "test"):
        (root / split / "metadata.jsonl").write_text('{"file_name": "1.jpg"}\n')
    assert imported_uids(root, tmp_path / "catalogue") == ["test/1.jpg", "train/1.jpg"]
    exclusions = list_of(tmp_path, Entry(KeyKind.UID, "train/1.jpg"))
    report = filter_manifest(root, tmp_path / "out", exclusions)
    assert (report.rows, report.kept) == (2, 1)
    assert (tmp_path / "out/train/metadata.jsonl").read_text() == ""
    assert (tmp_path / "out/test/metadata.jsonl").read_text() == '{"file_name": "1.jpg"}\n'
    with pytest.raises(BadKeyColumn, match="filter the folder that was imported"):
        filter_manifest(root / "train/metadata.jsonl", tmp_path / "out.jsonl", exclusions)


def picture_folder(root: Path, *paths: str) -> Path:
    for number, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(jpeg(textured_picture(number, 160, 120)))
    return root


def imported_uids(source: Path, catalogue: Path) -> list[str]:
    import_manifest(source, catalogue, name="test", workers=0)
    uids: list[str] = Catalogue.open(catalogue).take(range(2))["uid"].to_pylist()
    return uids


@pytest.mark.parametrize(("entry", "spelled"), SAME_UID)
def test_a_uid_is_excluded_as_programs_left_it(entry: str, spelled: str) -> None:
    judgement = Matcher(EntryTable.of([Entry(KeyKind.UID, entry)])).judge(pa.table({"uid": [spelled, "another"]}))
    assert judgement.kinds.tolist() == [0, -1]
    assert judgement.keep.to_pylist() == [False, True]


@pytest.mark.parametrize("name", ["uid", "owner"])
@pytest.mark.parametrize("spelled", ["1.23457E+12", "1.0E+3", "1e+16", "9.007199254740993e+15", "9007199254740992.0"])
def test_a_number_of_which_digits_are_missing_is_unreadable(name: str, spelled: str) -> None:
    faults = KEY_COLUMNS[name].read(pa.array([spelled, "p9"])).faults
    assert [(fault.reason, fault.positions.tolist()) for fault in faults] == [
        (f"{name}: a number of which a program left some digits out", [0])
    ]


def test_ids_that_only_look_like_such_a_number_are_ids() -> None:
    uids = ["1e10", "4E7", "12e5", "abc+12", "https://photos.example//a", "a.b/c", ".hidden", "1.5"]
    assert KEY_COLUMNS["uid"].read(pa.array(uids)).values.to_pylist() == uids


@pytest.mark.parametrize("word", ["NULL", r"\N", "nan", "None", "<NA>"])
def test_a_word_for_no_value_is_no_uid(tmp_path: Path, word: str) -> None:
    exclusions = list_of(tmp_path, UID)
    assert filtered(tmp_path, exclusions, "m.csv", f"uid,key\n{word},p2\np9,p9\n").kept == 1
    with pytest.raises(UnreadableRows, match="no uid: 1"):
        filtered(tmp_path, exclusions, "n.csv", f"uid,caption\n{word},x\np9,y\n")


def test_a_column_is_found_whatever_cannot_be_seen_in_its_name(tmp_path: Path) -> None:
    assert filtered(tmp_path, list_of(tmp_path, UID), "m.csv", "uid\u200b,url\np2,x\np9,y\n").kept == 1


def json_member(name: str, said: bytes) -> list[tuple[str, bytes]]:
    return [("z1.jpg", FREE), (f"z1.{name}", said), ("ok.jpg", FREE)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("json", b'[{"uid": "p2"}]'),
        ("json", b'{"meta": {"uid": "p2"}}'),
        ("json", b'{"photos": [{"of": {"owner": "ben"}}]}'),
        ("json", b'{"uid": "k", "key": "p2"}'),
        ("json.gz", gzip.compress(b'{"uid": "p2"}', mtime=0)),
        ("jsonl", b'{"uid": "k"}\n{"uid": "p2"}\n'),
        ("JSONL.gz", gzip.compress(b'{"uid": "p2"}\n', mtime=0)),
        ("jsonl.gz", gzip.compress(b'{"uid": "k"}\n', mtime=0) + gzip.compress(b'{"uid": "p2"}\n', mtime=0)),
        ("json.gz", gzip.compress(b'{"owner":', mtime=0) + gzip.compress(b'"ben"}', mtime=0) + bytes(20)),
    ],
)
def test_all_that_a_json_member_says_is_judged(tmp_path: Path, name: str, said: bytes) -> None:
    exclusions = list_of(tmp_path, UID, Entry(KeyKind.OWNER, "ben"))
    names, report = filtered_tar(tmp_path, exclusions, json_member(name, said))
    assert (names, sum(report.dropped.values())) == (["ok.jpg"], 1)


@pytest.mark.parametrize(
    ("name", "said", "reason"),
    [
        ("json", b'{"uid": "p2", "uid": "k"}', "a sample has a .json member that names a key twice"),
        ("json", b'{"uid" : "p2",\n"UID":"k"}', "a sample has a .json member that names a key twice"),
        ("json", b'[{"uid":"p2","uid":"k"}]', "a sample has a .json member that names a key twice"),
        ("jsonl", b'{"uid":"k"}\n[1,{"uid":"p2"},[{"uid":"p2","uid":"k"}]]', "a sample has a .json member that names a key twice"),
        ("json", b'{"uid":"k","a":' + b"[" * 900 + b"]" * 900 + b"}", "a sample has a .json member that is nested too deeply"),
        ("json", b'{"uid":' + b'{"a":' * 900 + b"1" + b"}" * 901, "a sample has a .json member that is nested too deeply"),
        ("json.gz", gzip.compress(b'{"uid": "p2"}', mtime=0)[:-9], "a sample has a .json member that cannot be unpacked"),
        ("json.gz", gzip.compress(b'{"uid": "p2"}', mtime=0) + b"more", "a sample has a .json member that cannot be unpacked"),
        ("jsonl.gz", gzip.compress(b'{"uid":"k"}\n' * 400_000, mtime=0), "a sample has a .json member that is longer than 4 MiB"),
        ("jsonl", b'{"uid": "p2"}\n{"uid"\n', "a sample has a .json member that is not JSON"),
    ],
)
def test_a_json_member_that_could_say_anything_is_counted(tmp_path: Path, name: str, said: bytes, reason: str) -> None:
    names, report = filtered_tar(tmp_path, list_of(tmp_path, UID), json_member(name, said), allow=1)
    assert (names, list(report.unreadable)) == (["ok.jpg"], [reason])


def test_a_json_row_that_names_a_key_twice_is_counted(tmp_path: Path) -> None:
    report = filtered(tmp_path, list_of(tmp_path, UID), "m.jsonl", '{"uid": "p2", "uid": "k"}\n{"uid": "q", "c": "a\\":b"}\n', allow=1)
    assert (report.kept, list(report.unreadable)) == (1, ["a row names a key twice"])


def test_ids_within_a_json_member_that_are_no_uids_exclude_nothing(tmp_path: Path) -> None:
    said = b'{"uid": "k", "licence": {"id": "p2", "key": "p2"}, "boxes": [{"id": "p2"}]}'
    assert filtered_tar(tmp_path, list_of(tmp_path, UID), json_member("json", said))[1].kept == 2
