"""Lantern's photos: the same ones every time, nothing private handed out, and edits that people really make."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from demo.edits import EDITS
from demo.members import BY_SUB, MEMBERS, Visibility, owner_of, uid_of, visibility_of
from demo.pictures import NoPictures, Picture, own
from demo.platform_photos import TABLE, Photo, first_public, read_table, write_platform
from tests.support.pictures import jpeg, textured_picture

NAMES = [f"folder/picture {number}.png" for number in range(300)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for number in range(150):
        path = folder / f"{number:03}.jpg"
        path.write_bytes(jpeg(textured_picture(seed=number, width=96, height=72)))
        made.append(Picture(path, path.name, f"patches {number}"))
    return made


@pytest.fixture(scope="module")
def platform(pictures: list[Picture], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Photo]]:
    target = tmp_path_factory.mktemp("platform") / "photos"
    return target, write_platform(pictures, target, lambda _done, _total: None)


def test_everyone_owns_something_and_shares_count() -> None:
    owned = Counter(owner_of(name).sub for name in NAMES)
    assert set(owned) == set(BY_SUB)
    assert owned.most_common(1)[0][0] == "amara.okafor"


def test_ownership_depends_on_the_name_alone() -> None:
    assert owner_of("animals/birds/owl.png").sub == "elif.kaya"
    assert visibility_of("animals/birds/owl.png") == Visibility.PUBLIC
    assert uid_of("animals/birds/owl.png") == "ph77fa37dcc747262c"


def test_the_folder_is_the_same_every_time(pictures: list[Picture], platform: tuple[Path, list[Photo]], tmp_path: Path) -> None:
    folder, photos = platform
    assert write_platform(pictures, tmp_path / "again", lambda _done, _total: None) == photos
    for photo in photos:
        if photo.path:
            assert (tmp_path / "again" / photo.path).read_bytes() == (folder / photo.path).read_bytes()


def test_only_public_photos_are_handed_out(platform: tuple[Path, list[Photo]]) -> None:
    folder, photos = platform
    hidden = [photo for photo in photos if photo.visibility != Visibility.PUBLIC]
    assert {photo.visibility for photo in hidden} == {Visibility.FRIENDS, Visibility.PRIVATE}
    assert not any(photo.path for photo in hidden)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg")) == sorted(photo.path for photo in photos if photo.path)


def test_the_table_reads_back(platform: tuple[Path, list[Photo]]) -> None:
    folder, photos = platform
    assert read_table(folder) == photos
    with (folder / TABLE).open(newline="") as file:
        assert next(csv.reader(file)) == ["path", "uid", "owner", "caption", "url", "posted_at", "visibility"]


def test_copies_are_by_others_public_and_posted_later(pictures: list[Picture], platform: tuple[Path, list[Photo]]) -> None:
    _, photos = platform
    by_uid = {photo.uid: photo for photo in photos}
    copies = [
        (by_uid[uid_of(picture.name)], by_uid[uid])
        for picture in pictures
        for edit in EDITS.values()
        if (uid := uid_of(f"{picture.name} {edit.word}")) in by_uid
    ]
    assert copies
    for original, copy in copies:
        assert copy.owner != original.owner
        assert original.visibility == copy.visibility == Visibility.PUBLIC
        assert copy.posted_at > original.posted_at


def test_nobody_copies_themselves_and_every_editor_is_a_member() -> None:
    assert set(EDITS) <= {member.sub for member in MEMBERS}


@pytest.mark.parametrize(
    ("editor", "size"),
    [
        ("dmitri.volkov", (120, 90)),
        ("elif.kaya", (200, 150)),
        ("jonas.weber", (188, 142)),
        ("kavya.iyer", (200, 150)),
        ("leilani.kahale", (218, 168)),
    ],
)
def test_edits_change_the_size_as_they_say(editor: str, size: tuple[int, int]) -> None:
    assert EDITS[editor].change(textured_picture(seed=1, width=200, height=150)).size == size


def test_something_will_happen_to_one_public_photo(platform: tuple[Path, list[Photo]]) -> None:
    _, photos = platform
    photo = first_public(photos, "ben.lindqvist")
    assert (photo.owner, photo.visibility) == ("ben.lindqvist", Visibility.PUBLIC)
    assert first_public(list(reversed(photos)), "ben.lindqvist") == photo


def test_a_file_that_is_no_picture_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    name = next(name for name in NAMES if visibility_of(name) == Visibility.PUBLIC)
    assert write_platform([Picture(tmp_path / "broken.jpg", name, "")], tmp_path / "photos", lambda _done, _total: None) == []


def test_transparent_pictures_stand_on_white(tmp_path: Path) -> None:
    name = next(name for name in NAMES if visibility_of(name) == Visibility.PUBLIC)
    Image.new("RGBA", (40, 30), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    [photo] = write_platform([Picture(tmp_path / "clear.png", name, "")], tmp_path / "photos", lambda _done, _total: None)[:1]
    with Image.open(tmp_path / "photos" / photo.path) as written:
        assert written.getpixel((20, 15)) == (255, 255, 255)


def test_own_pictures_take_captions_from_a_table_then_text_then_the_name(tmp_path: Path) -> None:
    for name in ("a/harbour_early.jpg", "b.png", "c.jpg", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b.txt").write_text("Dunes at six\nla.utf8=not this line\n")
    (tmp_path / "captions.csv").write_text("file,caption\nc.jpg,Old door\n")
    assert {picture.name: picture.caption for picture in own(tmp_path)} == {
        "a/harbour_early.jpg": "harbour early",
        "b.png": "Dunes at six",
        "c.jpg": "Old door",
    }


def test_a_folder_without_pictures_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(NoPictures, match="There are no pictures in"):
        own(tmp_path)
    with pytest.raises(NoPictures, match="There is no folder"):
        own(tmp_path / "missing")
