import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from demur.exclusions import Entry, ExclusionList, KeyKind
from demur.manifests import Catalogue, import_manifest
from demur.manifests.pictures import MAX_BYTES
from demur.signing import SigningKey
from demur.similarity.fingerprint import decode
from rhea.config import TIERS
from rhea.data import NothingToTrainOn, Samples, load_samples, to_bytes, to_unit
from rhea.pictures import Shrinking
from tests.support.exclusion_lists import build_version_for_today, publish_version, uids
from tests.support.odd_pictures import ODD
from tests.support.pictures import PHOTOS_PER_OWNER, jpeg, png, textured_picture, write_photo_folder

SETTINGS = TIERS["tests"]


@pytest.fixture(scope="module")
def shrinking() -> Iterator[Shrinking]:
    with Shrinking(64, 1) as made:
        yield made


def load(catalogues: list[Catalogue], exclusions: ExclusionList | None = None) -> Samples:
    return load_samples(catalogues, exclusions, SETTINGS, lambda done, of: None)


def opened(entries: list[Entry], folder: Path) -> ExclusionList:
    key = SigningKey.generate("operator")
    publish_version(folder, key, build_version_for_today(entries))
    return ExclusionList.open(folder, key=key.verifier)


def test_samples_are_ordered_by_content(catalogue: Catalogue) -> None:
    samples = load([catalogue])
    assert list(samples.samples) == sorted(samples.samples)
    assert samples.pixels.shape == (catalogue.rows, 3, 64, 64)
    assert samples.dropped == {}


def test_the_list_drops_rows_and_says_why(catalogue: Catalogue, tmp_path: Path) -> None:
    samples = load([catalogue], opened([*uids("ada-1", "ada-2", "unheard-of"), Entry(KeyKind.OWNER, "cleo")], tmp_path))
    assert not {"ada-1", "ada-2"} & set(samples.uids)
    assert not any(uid.startswith("cleo") for uid in samples.uids)
    assert samples.dropped["uid"] == 2
    assert samples.dropped["owner"] >= PHOTOS_PER_OWNER
    assert len(samples) + sum(samples.dropped.values()) == catalogue.rows


def test_a_photo_of_nobody_is_trained_on_by_a_list_of_owners_or_addresses(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(2):
        (tmp_path / f"photos/{number}.png").write_bytes(png(textured_picture(500 + number)))
    (tmp_path / "photos/photos.csv").write_text("uid,owner,path\na,,0.png\nb,ben,1.png\n")
    import_manifest(tmp_path / "photos", tmp_path / "catalogue", name="owners")
    exclusions = opened([Entry(KeyKind.OWNER, "ben"), Entry(KeyKind.URL, "https://x.org/a.jpg")], tmp_path / "list")
    samples = load([Catalogue.open(tmp_path / "catalogue")], exclusions)
    assert (samples.uids, samples.dropped) == (["a"], {"owner": 1})


def test_a_row_without_the_digest_that_a_list_excludes_by_is_left_out_and_counted(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"uid": "a"}\n{"uid": "b"}\n')
    import_manifest(tmp_path / "rows.jsonl", tmp_path / "catalogue", name="rows")
    exclusions = opened([Entry(KeyKind.SHA256, "ab" * 32)], tmp_path / "list")
    assert load([catalogue, Catalogue.open(tmp_path / "catalogue")], exclusions).dropped == {"unreadable": 2}


def test_survivors_do_not_depend_on_what_was_dropped(catalogue: Catalogue, tmp_path: Path) -> None:
    everything, filtered = load([catalogue]), load([catalogue], opened(uids("ada-3"), tmp_path))
    rest = [place for place, uid in enumerate(everything.uids) if uid != "ada-3"]
    assert filtered.samples == tuple(everything.samples[place] for place in rest)
    assert torch.equal(filtered.pixels, everything.pixels[rest])


def test_the_order_of_catalogues_does_not_matter_and_repeats_count_once(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.png").write_bytes(png(textured_picture(500 + number)))
        (folder / f"{number}.txt").write_text(f"caption {number}")
    import_manifest(folder, tmp_path / "other", name="other")
    other = Catalogue.open(tmp_path / "other")
    one, two = load([catalogue, other]), load([other, catalogue, other])
    assert one.digest == two.digest
    assert torch.equal(one.pixels, two.pixels)
    assert two.dropped == {"repeated": 2}


def test_missing_changed_and_overgrown_pictures_are_counted(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    folder = write_photo_folder(tmp_path / "photos")
    report = import_manifest(folder, tmp_path / "catalogue", name="generated")
    (folder / "ada/ada-0.jpg").unlink()
    (folder / "ada/ada-1.jpg").write_bytes(jpeg(textured_picture(77)))
    os.truncate(folder / "ada/ada-2.jpg", MAX_BYTES + 1)
    samples = load([Catalogue.open(tmp_path / "catalogue")])
    assert samples.dropped == {"missing_picture": 1, "changed_picture": 1, "unreadable_picture": 1}
    assert len(samples) == report.rows - 3


def test_nothing_left_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    folder = write_photo_folder(tmp_path / "photos")
    import_manifest(folder, tmp_path / "catalogue", name="generated")
    shutil.rmtree(folder)
    with pytest.raises(NothingToTrainOn):
        load([Catalogue.open(tmp_path / "catalogue")])


def test_pictures_are_shown_whole_on_white(shrinking: Shrinking) -> None:
    half_clear = Image.new("RGBA", (100, 50), (255, 0, 0, 255))
    half_clear.paste((0, 0, 0, 0), (50, 0, 100, 50))
    pixels = shrinking.pixels(png(half_clear))
    assert pixels.shape == (3, 64, 64)
    assert pixels[:, 2, 32].tolist() == [255, 255, 255]  # above the picture, which is wider than high
    assert pixels[:, 32, 10].tolist() == [255, 0, 0]
    assert pixels[:, 32, 54].tolist() == [255, 255, 255]  # clear


def test_a_turned_photo_is_shown_upright(shrinking: Shrinking) -> None:
    picture = Image.fromarray(np.repeat(np.array([[[255, 0, 0]], [[0, 0, 255]]], np.uint8), 64, axis=0).repeat(128, axis=1))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    path_bytes = _encoded(picture, "JPEG", exif=exif)
    pixels = shrinking.pixels(path_bytes)
    assert pixels[2, 5, 32] > 200
    assert pixels[0, 58, 32] > 200


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "GIF", "TIFF"])
def test_a_photo_looks_the_same_from_every_kind_of_file(shrinking: Shrinking, kind: str) -> None:
    picture = textured_picture(5)
    difference = shrinking.pixels(_encoded(picture, kind)).astype(int) - shrinking.pixels(png(picture))
    assert np.abs(difference).mean() < 12  # of 255: a GIF has 256 colours


def test_a_photo_of_a_phone_is_trained_on_as_it_is_fingerprinted(shrinking: Shrinking) -> None:
    data = (Path(__file__).parents[2] / "data" / "pug.heic").read_bytes()
    luma, size = decode(data)
    assert size == (64, 64)
    grey = Image.fromarray(shrinking.pixels(data).transpose(1, 2, 0)).convert("L")
    assert np.abs(np.asarray(grey, int) - np.asarray(luma)).max() <= 2


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", ODD)
def test_what_browsers_show_is_trained_on(shrinking: Shrinking, name: str) -> None:
    odd, whole = (shrinking.pixels(data).astype(int) for data in ODD[name])
    assert np.abs(odd - whole).mean() < 2


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def test_pixels_survive_the_unit_range() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_bytes(to_unit(pixels)), pixels)
