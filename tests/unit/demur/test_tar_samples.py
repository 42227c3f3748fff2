"""WebDataset tars as they are met: import and filter read them by one reader, judge every picture, and lose no sample."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from demur.exclusions import Entry, ExclusionList, KeyKind
from demur.filtering import FilterReport, UnreadableManifest, UnreadableRows, filter_manifest
from demur.manifests import Catalogue, EmptySource, ImportReport, TruncatedSource, import_manifest
from demur.manifests.sources.tar import BLOCK
from demur.signing import SigningKey
from demur.similarity.fingerprint import fingerprint
from tests.support.exclusion_lists import build_version_for_today, publish_version
from tests.support.pictures import jpeg, png, textured_picture

KEY = SigningKey.generate("op.example")
FREE, LISTED, LOOKS_LISTED = (jpeg(textured_picture(seed)) for seed in (1, 2, 3))
Members = list[tuple[str, bytes]]


@pytest.fixture(scope="module")
def exclusions(tmp_path_factory: pytest.TempPathFactory) -> ExclusionList:
    directory = tmp_path_factory.mktemp("list")
    look = fingerprint(LOOKS_LISTED)
    entries = [
        Entry(KeyKind.UID, "listed"),
        Entry(KeyKind.UID, "IMG_2024.05.02.jpg"),
        Entry(KeyKind.SHA256, fingerprint(LISTED).sha256),
        Entry(KeyKind.PHASH, f"{look.phash:016x}", look.pdq.hex()),
    ]
    publish_version(directory, KEY, build_version_for_today(entries))
    return ExclusionList.open(directory, key=KEY.verifier)


def write(path: Path, members: Members, **options: object) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w", **options) as tar:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def filtered(source: Path, exclusions: ExclusionList, allow: int = 0) -> tuple[list[str], FilterReport]:
    out = source.with_name(f"out-{source.name}")
    report = filter_manifest(source, out, exclusions, allow_unreadable=allow)
    with tarfile.open(out) as tar:
        return tar.getnames(), report


def imported(source: Path) -> tuple[Catalogue, ImportReport]:
    report = import_manifest(source, source.with_name("catalogue"), name="test", workers=0)
    return Catalogue.open(source.with_name("catalogue")), report


def uids(catalogue: Catalogue) -> list[str]:
    found: list[str] = catalogue.read(0, catalogue.rows, ["uid"])["uid"].to_pylist()
    return found


TWO = [("s1.png", "s1.jpg"), ("p1.left.jpg", "p1.right.jpg"), ("e1.input.png", "e1.edited.png"), ("track 2.0 (clean).jpg", "track 2.1.jpg")]
SUFFIXES = ["x.jfif", "x.pjpeg", "x.jpg_large", "x.img", "x", "x.jpg", "x.cover"]


@pytest.mark.parametrize("listed", [LISTED, LOOKS_LISTED], ids=["digest", "look"])
@pytest.mark.parametrize("names", TWO, ids=lambda names: names[0])
@pytest.mark.parametrize("place", [0, 1])
def test_a_sample_with_several_pictures_is_judged_by_all_of_them(
    tmp_path: Path, exclusions: ExclusionList, names: tuple[str, str], place: int, listed: bytes
) -> None:
    pictures = [FREE, FREE]
    pictures[place] = listed
    kept, report = filtered(write(tmp_path / "m.tar", [*zip(names, pictures, strict=True), ("z.jpg", FREE)]), exclusions)
    assert kept == ["z.jpg"]
    assert report.notes["samples with several pictures"] == 1


@pytest.mark.parametrize("name", SUFFIXES)
def test_content_decides_what_is_a_picture_whatever_its_suffix(tmp_path: Path, exclusions: ExclusionList, name: str) -> None:
    assert filtered(write(tmp_path / "m.tar", [(name, LISTED), ("z.jpg", FREE)]), exclusions)[0] == ["z.jpg"]
    assert uids(imported(tmp_path / "m.tar")[0]) == ["x", "z"]


def test_photos_that_loaders_merge_are_each_a_row_and_each_judged(tmp_path: Path, exclusions: ExclusionList) -> None:
    members = [(f"IMG_2024.05.{day:02d}.jpg", jpeg(textured_picture(day + 20))) for day in (1, 2, 3)]
    members.insert(2, ("IMG_2024.05.02.json", b'{"owner": "ada"}'))
    catalogue, report = imported(write(tmp_path / "m.tar", [*members, ("z.jpg", FREE)]))
    assert uids(catalogue) == ["IMG_2024", "IMG_2024.05.03.jpg", "z", "IMG_2024.05.02.jpg"]
    assert catalogue.owner_rows("ada") == range(3, 4)
    assert catalogue.picture(1) == members[3][1]
    assert report.notes == {"samples with several pictures": 1}
    assert filtered(tmp_path / "m.tar", exclusions)[0] == ["z.jpg"]  # by the name of one photo


def test_a_uid_of_several_pictures_and_their_digests_are_not_mixed_up(tmp_path: Path) -> None:
    described = json.dumps({"uid": "mine", "owner": "ada", "sha256": "0" * 64, "width": 5}).encode()
    catalogue, _ = imported(write(tmp_path / "m.tar", [("a.left.jpg", FREE), ("a.right.jpg", LISTED), ("a.json", described)]))
    rows = catalogue.read(0, 2, ["uid", "owner", "sha256", "width"]).to_pylist()
    assert rows == [
        {"uid": "a.right.jpg", "owner": "ada", "sha256": fingerprint(LISTED).sha256, "width": 320},
        {"uid": "mine", "owner": "ada", "sha256": fingerprint(FREE).sha256, "width": 320},
    ]


@pytest.mark.parametrize(
    "members",
    [
        [("listed.jpg", FREE), ("listed.json", b'{"uid": "other"}')],
        [("free.jpg", FREE), ("free.json", b'{"uid": "listed"}')],
        [("listed.jpg", FREE), ("listed.json", b'{"uid": null}')],
        [("listed.jpg", FREE), ("listed.json", b'{"owner": "nobody"}')],
        [("listed.jpg", FREE), ("listed.json", b"[1, 2]")],
        [("./listed.jpg", FREE)],
        [("free.jpg", FREE), ("free.left.json", b'{"uid": "listed"}')],
    ],
)
def test_the_key_and_what_the_json_names_are_both_judged(tmp_path: Path, exclusions: ExclusionList, members: Members) -> None:
    assert filtered(write(tmp_path / "m.tar", [*members, ("z.jpg", FREE)]), exclusions)[0] == ["z.jpg"]


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_members_of_one_sample_that_lie_apart_are_judged_together(tmp_path: Path, exclusions: ExclusionList, ending: str) -> None:
    apart = [("a.jpg", FREE), ("b.jpg", FREE), ("a.json", b'{"uid": "listed"}'), ("c.jpg", FREE), ("c.txt", b"c"), ("d.jpg", FREE)]
    kept, report = filtered(write(tmp_path / f"m.{ending}", [*apart, ("c.jpg", LISTED)]), exclusions)
    assert kept == ["b.jpg", "d.jpg"]
    assert (report.rows, report.kept) == (6, 2)
    assert report.notes == {"samples whose members lie apart in their tar": 2}


def test_the_same_key_twice_loses_no_row(tmp_path: Path) -> None:
    twice = [("a.jpg", FREE), ("a.json", b'{"uid": "1"}'), ("b.jpg", FREE), ("a.jpg", LISTED), ("a.json", b'{"uid": "2"}'), ("a.jpg", FREE)]
    catalogue, report = imported(write(tmp_path / "m.tar", twice))
    assert uids(catalogue) == ["1", "2", "a.jpg", "b"]
    assert report.rejected == {}


BAD_JSON = {
    "cut": b'{"uid": "' + b"x" * (1 << 20),
    "nested": b"[" * 100_000,
    "nested in its uid": b'{"uid": ' + b"[" * 900 + b"]" * 900 + b"}",
    "half an emoji": b'{"uid": "u", "caption": "\\ud83d"}',
    "half an emoji in the owner": b'{"uid": "u", "owner": "\\ud83d"}',
    "not UTF-8": b'{"uid": "\xff"}',
    "too long": b'{"uid": "u", "caption": "' + b"x" * (5 << 20) + b'"}',
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_a_json_member_that_cannot_be_read_costs_its_sample_and_the_rest_goes_on(
    tmp_path: Path, exclusions: ExclusionList, name: str
) -> None:
    write(tmp_path / "m.tar", [("a.jpg", FREE), ("a.json", BAD_JSON[name]), ("z.jpg", FREE)])
    catalogue, report = imported(tmp_path / "m.tar")
    assert (uids(catalogue), report.rejected) == (["z"], {"malformed_row": 1})
    with pytest.raises(UnreadableRows, match=r"has a \.json member that .*m\.tar: a"):
        filtered(tmp_path / "m.tar", exclusions)
    kept, counted = filtered(tmp_path / "m.tar", exclusions, allow=1)
    assert (kept, counted.unreadable_rows, counted.rows) == (["z.jpg"], 1, 2)


@pytest.mark.parametrize("name", ["1.json.gz", "1.JSON.GZ", "1.json.Gz"])
def test_a_packed_json_member_is_of_the_picture_beside_it_however_its_name_is_spelled(tmp_path: Path, name: str) -> None:
    said = gzip.compress(b'{"uid": "u1", "owner": "ada"}', mtime=0)
    catalogue, _ = imported(write(tmp_path / "m.tar", [("1.jpg", FREE), (name, said), ("z.jpg", LISTED)]))
    assert catalogue.read(0, 2, ["uid", "owner"]).to_pylist() == [{"uid": "z", "owner": ""}, {"uid": "u1", "owner": "ada"}]


def test_a_whole_number_beyond_64_bits_is_a_name_like_another(tmp_path: Path) -> None:
    write(tmp_path / "m.tar", [("a.jpg", FREE), ("a.json", b'{"uid": 123456789012345678901234567890}'), ("z.jpg", FREE)])
    assert uids(imported(tmp_path / "m.tar")[0]) == ["123456789012345678901234567890", "z"]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_a_member_name_that_is_not_utf8_costs_its_sample(tmp_path: Path, exclusions: ExclusionList, form: int) -> None:
    members = [("caf\udce9.jpg", FREE), ("z.jpg", FREE)]
    write(tmp_path / "m.tar", members, format=form, encoding="utf-8", errors="surrogateescape")
    catalogue, report = imported(tmp_path / "m.tar")
    assert (uids(catalogue), report.rejected) == (["z"], {"malformed_row": 1})
    assert filtered(tmp_path / "m.tar", exclusions, allow=1)[0] == ["z.jpg"]


def sparse_gnu(name: str) -> bytes:
    """As `tar --sparse --format=gnu` writes a file of 1 MiB that holds 512 bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.type = BLOCK, tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[345:500] = bytes(155)
    header[386:410] = b"%011o\0%011o\0" % (1 << 19, BLOCK)
    header[483:495] = b"%011o\0" % (1 << 20)
    return summed(header) + b"x" * BLOCK


def summed(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def sparse_posix(name: str) -> bytes:
    info = tarfile.TarInfo(f"GNUSparseFile.1/{name}")
    content = b"1\n524288\n512\n".ljust(BLOCK, b"\0") + b"x" * BLOCK
    info.size = len(content)
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name, "GNU.sparse.realsize": str(1 << 20)}
    return info.tobuf(tarfile.PAX_FORMAT) + content


@pytest.mark.parametrize("sparse", [sparse_gnu, sparse_posix])
def test_a_sparse_member_is_refused_by_name_and_others_keep_their_bytes(tmp_path: Path, exclusions: ExclusionList, sparse: object) -> None:
    assert callable(sparse)
    plain = write(tmp_path / "plain.tar", [("z.jpg", FREE)]).read_bytes()
    (tmp_path / "m.tar").write_bytes(sparse("a.jpg") + plain)
    with pytest.raises(UnreadableRows, match=r"a sample is a sparse file: 1 \(m\.tar: a\)"):
        filtered(tmp_path / "m.tar", exclusions)
    assert filtered(tmp_path / "m.tar", exclusions, allow=1)[0] == ["z.jpg"]
    assert (tmp_path / "out-m.tar").read_bytes() == plain
    assert imported(tmp_path / "m.tar")[1].rejected == {"malformed_row": 1}


def test_kept_members_are_copied_as_they_were_spelled(tmp_path: Path, exclusions: ExclusionList) -> None:
    long = "long-folder-name/" * 12
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        source = tmp_path / f"{form}.tar"
        with tarfile.open(source, "w", format=form, pax_headers={"comment": "made by hand"}) as tar:
            for name in ("listed.jpg", f"{long}a.jpg", "ü.txt"):
                info = tarfile.TarInfo(name)
                info.size, info.mtime, info.mode, info.uname = len(FREE), 1_700_000_000.25, 0o640, "ada"
                tar.addfile(info, io.BytesIO(FREE))
        assert filtered(source, exclusions)[0] == [f"{long}a.jpg", "ü.txt"]
        with tarfile.open(source) as before, tarfile.open(tmp_path / f"out-{source.name}") as after:
            assert [member.get_info() for member in after] == [member.get_info() for member in before][1:]
            assert after.pax_headers == before.pax_headers


def damaged(change: str) -> bytes:
    data = bytearray(write_bytes([("a.jpg", FREE), ("z.jpg", FREE)]))
    if change == "negative size":  # CVE-2025-8194
        data[124:136] = b"\xff" * 10 + b"\xfe\x00"
    elif change == "x in a size":
        data[124:136] = b"0000000x751\0"
    elif change == "checksum":
        data[200] ^= 1
        return bytes(data)
    elif change == "huge size":
        data[124:136] = b"\x80" + b"\0" * 2 + b"\x7f" + b"\xff" * 8
    data[:BLOCK] = summed(data[:BLOCK])
    return bytes(data)


def write_bytes(members: Members) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def pax(**fields: str) -> bytes:
    info = tarfile.TarInfo("a.jpg")
    info.size = len(FREE)
    info.pax_headers = fields
    return info.tobuf(tarfile.PAX_FORMAT) + FREE + bytes(-len(FREE) % BLOCK) + write_bytes([("z.jpg", FREE)])


WRONG = {
    **{change: damaged(change) for change in ("negative size", "x in a size", "checksum", "huge size")},
    "extended size that is none": pax(size="12x"),
    "extended size below zero": pax(size="-512"),
    "header of a gigabyte": tarfile.TarInfo("x").tobuf()
    and summed(
        bytearray(tarfile.TarInfo("x").tobuf()[:124] + b"10000000000\0" + tarfile.TarInfo("x").tobuf()[136:156] + b"x" + bytes(355))
    ),
    "two tars in one": write_bytes([("a.jpg", FREE)]) + write_bytes([("listed.jpg", FREE)]),
    "no end mark": write_bytes([("a.jpg", FREE)])[: BLOCK + len(FREE) + -len(FREE) % BLOCK],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_damaged_tar_ends_import_and_filter_in_one_sentence(tmp_path: Path, exclusions: ExclusionList, name: str) -> None:
    (tmp_path / "m.tar").write_bytes(WRONG[name])
    with pytest.raises(TruncatedSource, match=r"m\.tar is (cut short|damaged)") as by_import:
        imported(tmp_path / "m.tar")
    with pytest.raises(UnreadableManifest) as by_filter:
        filtered(tmp_path / "m.tar", exclusions)
    assert str(by_import.value) == f"{by_filter.value}."


@pytest.mark.parametrize("odd", ["nan", "inf", "-1e300"])
def test_times_that_are_none_are_copied_unread(tmp_path: Path, exclusions: ExclusionList, odd: str) -> None:
    (tmp_path / "m.tar").write_bytes(pax(mtime=odd))
    assert filtered(tmp_path / "m.tar", exclusions)[0] == ["a.jpg", "z.jpg"]
    assert uids(imported(tmp_path / "m.tar")[0]) == ["a", "z"]


@pytest.mark.parametrize("name", [".", "/", "..", "d/", "", "./", ".hidden.jpg", "d/._a.jpg"])
def test_members_without_a_name_are_no_samples(tmp_path: Path, exclusions: ExclusionList, name: str) -> None:
    write(tmp_path / "m.tar", [(name, FREE), ("z.jpg", FREE)])
    assert filtered(tmp_path / "m.tar", exclusions)[0] == ["z.jpg"]
    assert uids(imported(tmp_path / "m.tar")[0]) == ["z"]


def test_every_cut_and_every_flipped_header_byte_is_refused_or_read_alike(tmp_path: Path, exclusions: ExclusionList) -> None:
    whole = write_bytes([("a.txt", b"x" * 700), ("listed.txt", b"y" * 100)])
    for at in range(0, 2 * BLOCK, 7):
        (tmp_path / "m.tar").write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        outcomes = set()
        for attempt in (lambda: filtered(tmp_path / "m.tar", exclusions), lambda: imported(tmp_path / "m.tar")):
            try:
                attempt()
                outcomes.add("read")
            except (EmptySource, UnreadableRows):  # import reads it, and finds no pictures
                outcomes.add("read")
            except (TruncatedSource, UnreadableManifest):
                outcomes.add("refused")
        assert len(outcomes) == 1, at


def test_a_compressed_tar_is_filtered_to_a_compressed_tar(tmp_path: Path, exclusions: ExclusionList) -> None:
    write(tmp_path / "m.tar.gz", [("listed.jpg", FREE), ("z.jpg", FREE)])
    assert filtered(tmp_path / "m.tar.gz", exclusions)[0] == ["z.jpg"]
    with gzip.open(tmp_path / "out-m.tar.gz") as packed:
        assert packed.read() == write(tmp_path / "plain.tar", [("z.jpg", FREE)]).read_bytes()


def test_a_png_and_a_jpeg_of_one_key_keep_their_own_places(tmp_path: Path) -> None:
    picture = png(textured_picture(9))
    catalogue, _ = imported(write(tmp_path / "m.tar", [("s1.png", picture), ("s1.jpg", FREE)]))
    assert uids(catalogue) == ["s1", "s1.jpg"]
    assert [catalogue.picture(position) for position in (0, 1)] == [picture, FREE]
