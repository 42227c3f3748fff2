"""Lantern's photos as it hands them out: a folder with photos.csv, made from pictures, members and edits, always the same way."""

import csv
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from demo.edits import EDITS, GOOD_QUALITY, Edit
from demo.members import Visibility, draw, owner_of, uid_of, visibility_of
from demo.pictures import Picture
from demur.files import atomic_directory

TABLE = "photos.csv"
COPIED_SHARE = 0.12  # of other people's public photos
_FIRST_POST = datetime(2015, 3, 1, tzinfo=UTC)
_LAST_POST = datetime(2026, 9, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Photo:
    """A row of photos.csv. ``path`` is empty where the platform hands no file out: the photo is not public."""

    path: str
    uid: str
    owner: str
    caption: str
    url: str
    posted_at: str
    visibility: Visibility


@dataclass(frozen=True)
class _Post:
    """A photo and how its file comes about."""

    photo: Photo
    source: Picture
    edit: Edit | None


def write_platform(pictures: Sequence[Picture], target: Path, progress: Callable[[int, int], None]) -> list[Photo]:
    """Writes the folder, whole or not at all; pictures that cannot be read are left out. ``progress`` gets (done, total)."""
    posts = [*map(_original, pictures), *_copies(pictures)]
    with atomic_directory(target) as folder:
        photos = list(_write_files(posts, folder, progress))
        _write_table(photos, folder / TABLE)
    return photos


def read_table(folder: Path) -> list[Photo]:
    with (folder / TABLE).open(newline="") as file:
        return [_parsed(row) for row in csv.DictReader(file)]


def _parsed(row: dict[str, str]) -> Photo:
    visibility = Visibility(row["visibility"])
    return Photo(row["path"], row["uid"], row["owner"], row["caption"], row["url"], row["posted_at"], visibility)


def first_public(photos: Sequence[Photo], owner: str) -> Photo:
    """The owner's public photo with the smallest uid: the one that something happens to later."""
    return min((photo for photo in photos if photo.owner == owner and photo.visibility == Visibility.PUBLIC), key=lambda photo: photo.uid)


def _original(picture: Picture) -> _Post:
    return _Post(_photo(picture.name, owner_of(picture.name).sub, picture.caption, visibility_of(picture.name)), picture, None)


def _copies(pictures: Sequence[Picture]) -> Iterator[_Post]:
    """Some public photos, posted again by the members who edit, in turn; nobody copies themselves."""
    copied = [p for p in pictures if visibility_of(p.name) == Visibility.PUBLIC and draw(p.name, "copied") < COPIED_SHARE]
    for picture, editors in zip(copied, _turns(list(EDITS)), strict=False):
        editor = next(sub for sub in editors if sub != owner_of(picture.name).sub)
        name = f"{picture.name} {EDITS[editor].word}"
        original = _photo(picture.name, owner_of(picture.name).sub, picture.caption, Visibility.PUBLIC)
        copied_after = datetime.fromisoformat(original.posted_at)
        yield _Post(_photo(name, editor, picture.caption, Visibility.PUBLIC, copied_after), picture, EDITS[editor])


def _turns(names: list[str]) -> Iterator[list[str]]:
    """The names, beginning with each in turn, without end."""
    for first in cycle(range(len(names))):
        yield list(islice(cycle(names), first, first + len(names)))


def _photo(name: str, owner: str, caption: str, visibility: Visibility, after: datetime = _FIRST_POST) -> Photo:
    uid = uid_of(name)
    posted = after + timedelta(seconds=int((_LAST_POST - after).total_seconds() * draw(name, "posted")))
    path = f"{owner}/{uid}.jpg" if visibility == Visibility.PUBLIC else ""
    return Photo(path, uid, owner, caption, f"https://lantern.example/{owner}/{uid}", posted.isoformat(), visibility)


def _write_files(posts: Sequence[_Post], folder: Path, progress: Callable[[int, int], None]) -> Iterator[Photo]:
    for owner in {post.photo.owner for post in posts}:
        (folder / owner).mkdir()
    with ThreadPoolExecutor() as pool:
        for done, (post, written) in enumerate(zip(posts, pool.map(lambda post: _write_file(post, folder), posts), strict=True), 1):
            progress(done, len(posts))
            if written:
                yield post.photo


def _write_file(post: _Post, folder: Path) -> bool:
    """False when the source is no picture."""
    if not post.photo.path:
        return True
    try:
        with Image.open(post.source.path) as opened:
            picture = _on_white(ImageOps.exif_transpose(opened))
    except (UnidentifiedImageError, OSError):
        return False
    edited = post.edit.change(picture) if post.edit else picture
    edited.save(folder / post.photo.path, "JPEG", quality=post.edit.quality if post.edit else GOOD_QUALITY, subsampling=0)
    return True


def _on_white(picture: Image.Image) -> Image.Image:
    layer = picture.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    ground.alpha_composite(layer)
    return ground.convert("RGB")


def _write_table(photos: Sequence[Photo], path: Path) -> None:
    with path.open("w", newline="") as file:
        columns = [field.name for field in fields(Photo)]
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows([getattr(photo, column) for column in columns] for photo in photos)
