"""Thumbnails are made once, in the sandbox, and kept by the picture's digest within a bound."""

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from demur.manifests import Catalogue, import_manifest
from demur.similarity.sandbox import DecoderCrashed, Sandbox
from demur.similarity.thumbnails import SHRINKING, SIDES, thumbnails
from rights.thumbnails import ThumbnailStore, make_thumbnails
from tests.support.colour_profiles import DISPLAY_P3
from tests.support.pictures import jpeg, photo_bytes, png, textured_picture

PLENTY = 1 << 40
DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(work=SHRINKING, processes=1, wait=60) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> ThumbnailStore:
    return ThumbnailStore(tmp_path / "thumbnails", PLENTY)


def opened(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file), formats=("WEBP",))


def mean(file: bytes) -> tuple[int, ...]:
    pixel = opened(file).convert("RGB").resize((1, 1)).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return tuple(round(value) for value in pixel)


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((2000, 1000), [(320, 160), (640, 320), (1280, 640)]),
        ((500, 700), [(229, 320), (457, 640), (500, 700)]),
        ((321, 20), [(320, 20), (321, 20)]),
        ((10, 7), [(10, 7)]),
        ((2, 65_500), [(1, 320), (1, 640), (1, 1280)]),
    ],
)
def test_a_picture_has_thumbnails_up_to_its_own_size(sandbox: Sandbox, size: tuple[int, int], sizes: list[tuple[int, int]]) -> None:
    made = thumbnails(sandbox, png(Image.new("RGB", size, "red")))
    assert [opened(file).size for file in made.values()] == sizes
    assert list(made) == list(SIDES[: len(sizes)])


def test_a_thumbnail_is_upright_on_white_and_without_the_cameras_notes(sandbox: Sandbox) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = io.BytesIO()
    Image.new("RGB", (400, 100), "navy").save(data, "JPEG", exif=exif)
    shown = opened(thumbnails(sandbox, data.getvalue())[320])
    assert shown.size == (80, 320)
    assert not shown.getexif()
    assert mean(thumbnails(sandbox, png(Image.new("RGBA", (50, 50), (255, 0, 0, 0))))[320]) == (255, 255, 255)


def test_a_thumbnail_shows_the_colours_that_a_profile_means(sandbox: Sandbox) -> None:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 80, 40)).save(data, "PNG", icc_profile=DISPLAY_P3)
    red, _, _ = mean(thumbnails(sandbox, data.getvalue())[320])
    assert red > 205


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16"])
def test_pictures_of_every_kind_have_thumbnails(sandbox: Sandbox, mode: str) -> None:
    data = io.BytesIO()
    picture = Image.new(mode, (700, 400))
    picture.save(data, "TIFF" if mode in ("CMYK", "PA") else "PNG")
    assert opened(thumbnails(sandbox, data.getvalue())[640]).size == (640, 366)


@pytest.mark.parametrize("deed", [b"nonsense", b"flood"])
def test_what_a_decoder_answers_is_not_believed_to_be_a_picture(deed: bytes) -> None:
    with Sandbox(work="tests.support.hostile:worked_on", processes=1, wait=60) as taken_over, pytest.raises(DecoderCrashed):
        thumbnails(taken_over, deed)


def test_a_web_page_in_the_place_of_a_thumbnail_is_refused() -> None:
    with Sandbox(work="tests.support.hostile:worked_on", processes=1, wait=60) as taken_over, pytest.raises(DecoderCrashed):
        thumbnails(taken_over, b"page-for-a-thumbnail")


def test_the_store_gives_the_largest_side_that_the_picture_has(store: ThumbnailStore) -> None:
    assert store.find(DIGEST, 640) is None
    assert not store.is_settled(DIGEST)
    store.put(DIGEST, {320: b"small", 640: b"larger"})
    assert store.is_settled(DIGEST)
    assert [store.find(DIGEST, side).read_bytes() for side in SIDES] == [b"small", b"larger", b"larger"]  # type: ignore[union-attr]


def test_a_picture_that_cannot_be_decoded_is_settled_and_has_no_thumbnail(store: ThumbnailStore) -> None:
    store.refuse(DIGEST)
    assert store.is_settled(DIGEST)
    assert store.find(DIGEST, 320) is None


def test_a_full_store_lets_go_of_whole_pictures_that_were_not_looked_at_for_longest(tmp_path: Path) -> None:
    store = ThumbnailStore(tmp_path, 100)
    for number in range(4):
        store.put(f"{number}{DIGEST[1:]}", {320: bytes(10), 640: bytes(20)})
        for file in tmp_path.glob(f"{number}*/*/*"):
            os.utime(file, (1e9 + number, 1e9 + number))
    seen = store.find(f"0{DIGEST[1:]}", 640)
    assert seen is not None
    store.used(seen)
    assert store.is_full
    assert store.prune() == 1
    assert not store.is_full
    assert [store.is_settled(f"{number}{DIGEST[1:]}") for number in range(4)] == [True, False, True, True]
    assert store.find(f"0{DIGEST[1:]}", 1280) == seen


@pytest.fixture
def some(tmp_path: Path) -> Catalogue:
    """Three photos and, between them, a file whose fingerprint others computed and that cannot be decoded."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(photo_bytes("ada", number))
    bomb = jpeg(textured_picture(7))[:3000]
    (folder / "1b.jpg").write_bytes(bomb)
    rows = [f"{number}.jpg,{number},ada,,,," for number in range(3)]
    rows.append(f"1b.jpg,1b,ada,{hashlib.sha256(bomb).hexdigest()},0123456789abcdef,{'ab' * 32},90")
    (folder / "photos.csv").write_text("\n".join(["path,uid,owner,sha256,phash,pdq,pdq_quality", *rows]))
    import_manifest(folder, tmp_path / "catalogue", name="some", workers=0)
    return Catalogue.open(tmp_path / "catalogue")


def digests(catalogue: Catalogue) -> list[str]:
    return [str(value) for value in catalogue.read(0, catalogue.rows, ["sha256"])["sha256"].to_pylist()]


def test_a_manifests_thumbnails_are_made_once_and_undecodable_pictures_marked(
    some: Catalogue, store: ThumbnailStore, sandbox: Sandbox
) -> None:
    rows = [(some, range(some.rows))]
    assert make_thumbnails(rows, 0, store, sandbox, lambda: True) == 4
    assert [store.find(digest, 320) is not None for digest in digests(some)] == [True, True, False, True]
    assert all(map(store.is_settled, digests(some)))
    files = {file: file.stat().st_mtime_ns for file in store.directory.rglob("*.webp")}
    make_thumbnails(rows, 0, store, sandbox, lambda: True)
    assert {file: file.stat().st_mtime_ns for file in store.directory.rglob("*.webp")} == files


def test_the_work_can_be_left_after_any_picture_and_gone_on_with(some: Catalogue, store: ThumbnailStore, sandbox: Sandbox) -> None:
    turns = iter([True, False])
    rows = [(some, range(2)), (some, range(2, 4))]
    assert make_thumbnails(rows, 0, store, sandbox, lambda: next(turns, False)) == 1
    assert make_thumbnails(rows, 1, store, sandbox, lambda: True) == 4
    assert all(map(store.is_settled, digests(some)))


def test_a_picture_that_is_gone_or_was_replaced_is_tried_again_later(some: Catalogue, store: ThumbnailStore, sandbox: Sandbox) -> None:
    (some.source_root / "0.jpg").unlink()
    (some.source_root / "1.jpg").write_bytes(photo_bytes("ben", 1))
    make_thumbnails([(some, range(some.rows))], 0, store, sandbox, lambda: True)
    assert [store.is_settled(digest) for digest in digests(some)] == [False, False, True, True]
