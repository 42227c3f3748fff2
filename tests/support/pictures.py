"""Generated photos: textured, so that their fingerprints are worth something (PDQ quality ≥ 50), and each unlike the others."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

OWNERS = ("ada", "ben", "cleo")
PHOTOS_PER_OWNER = 6
COLUMNS = ("path", "uid", "owner", "caption", "url", "posted_at", "visibility")
FIRST_POST = datetime(2024, 5, 3, 12, 0, tzinfo=UTC)


def textured_picture(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """Coloured patches at several scales. The same seed gives the same pixels."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 128.0)
    for cells, strength in ((3, 70.0), (6, 50.0), (12, 40.0), (24, 25.0)):
        coarse = rng.normal(0, strength, (cells, cells + 1, 3))
        layers = [Image.fromarray(coarse[:, :, channel].astype(np.float32)) for channel in range(3)]
        pixels += np.stack([np.asarray(layer.resize((width, height), Image.Resampling.BICUBIC)) for layer in layers], axis=-1)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return data.getvalue()


def png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def photo_bytes(owner: str, number: int) -> bytes:
    """The file of ``<owner>-<number>`` in the folder below."""
    return jpeg(textured_picture(seed=OWNERS.index(owner) * 1000 + number))


def write_photo_folder(directory: Path) -> Path:
    """Photos ``ada-0`` … ``cleo-5``; five copies of ada-0 by others; one private and one friends-only row; and photos.csv.

    The copies are ``ben-exact`` (the same bytes), ``ben-recompressed``, ``ben-resized``, ``cleo-mirrored`` and ``cleo-cropped``;
    the rows that may never be imported are ``ada-private`` and ``ben-friends``.
    """
    photos = {f"{owner}-{n}": (owner, photo_bytes(owner, n), "public") for owner in OWNERS for n in range(PHOTOS_PER_OWNER)}
    original = textured_picture(seed=0)
    width, height = original.size
    photos |= {
        "ben-exact": ("ben", photo_bytes("ada", 0), "public"),
        "ben-recompressed": ("ben", jpeg(original, quality=60), "public"),
        "ben-resized": ("ben", jpeg(original.resize((width // 2, height // 2))), "public"),
        "cleo-mirrored": ("cleo", jpeg(ImageOps.mirror(original)), "public"),
        "cleo-cropped": ("cleo", jpeg(original.crop((8, 6, width - 8, height - 6))), "public"),
        "ada-private": ("ada", jpeg(textured_picture(seed=9001)), "private"),
        "ben-friends": ("ben", jpeg(textured_picture(seed=9002)), "friends"),
    }
    with (directory / "photos.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, COLUMNS)
        rows.writeheader()
        for number, (uid, (owner, data, visibility)) in enumerate(photos.items()):
            path = f"{owner}/{uid}.jpg"
            (directory / owner).mkdir(exist_ok=True)
            (directory / path).write_bytes(data)
            posted_at = (FIRST_POST + timedelta(days=40 * number)).isoformat()
            url, caption = f"https://photos.example/{uid}", f"patches number {number}, posted by {owner}"
            rows.writerow(dict(zip(COLUMNS, (path, uid, owner, caption, url, posted_at, visibility), strict=True)))
    return directory
