"""What fingerprints cost a core, against the floor of decoding and against the libraries that define and use these hashes.

    python -m bench.hashing --photos DIR --json

Every photo of DIR is made a JPEG of 1.5 megapixels first. All costs are of the bytes of a file in memory, in CPU time, measured in turns,
photo by photo, on one core; of a photo's rounds the fastest counts, and the median of all photos is printed. Peers: ImageHash and pdqhash
as their manuals show them, from a full decode; and HMA, which is Meta's hasher-matcher-actioner: the PDQ of its `threatexchange` library.
"""

import io
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import imagehash
import numpy as np
import pdqhash
from PIL import Image
from threatexchange.signal_type.pdq.pdq_hasher import pdq_from_bytes

from bench._photos import FOLDER, photos_in
from demur.similarity.fingerprint import decode, fingerprint, open_picture, phash

MEGAPIXELS = 1.5
QUALITY = 85
PHOTOS, ROUNDS = 40, 5
SMALL_PHOTOS, SMALL_ROUNDS = 6, 2
FLOOR_SIDE = 128

Work = Callable[[bytes], object]


def decode_floor(data: bytes) -> Image.Image:
    """The least that any hash of 64 bits or more can do: a grey picture of at least 128 pixels a side."""
    opened = Image.open(io.BytesIO(data))
    opened.draft("L", (FLOOR_SIDE, FLOOR_SIDE))
    opened.load()
    return opened


def our_phash(data: bytes) -> int:
    luma, _ = decode(data)
    return phash(luma)


def imagehash_full(data: bytes) -> imagehash.ImageHash:
    return imagehash.phash(Image.open(io.BytesIO(data)))


def pdqhash_full(data: bytes) -> object:
    return pdqhash.compute_dihedral(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


WORKS: dict[str, Work] = {
    "decode_floor_ms": decode_floor,
    "phash_ms": our_phash,
    "full_fingerprint_ms": fingerprint,
    "hma_ms": pdq_from_bytes,
    "imagehash_full_ms": imagehash_full,
    "pdqhash_full_ms": pdqhash_full,
}


def measure(photos: list[bytes], rounds: int) -> dict[str, float | int]:
    """All figures of this benchmark, measured now."""
    for work in WORKS.values():
        work(photos[0])
    fastest = {name: [math.inf] * len(photos) for name in WORKS}
    for number, photo in list(enumerate(photos)) * rounds:
        for name, work in WORKS.items():
            started = time.process_time()
            work(photo)
            fastest[name][number] = min(fastest[name][number], time.process_time() - started)
    figures = {name: statistics.median(taken) * 1000 for name, taken in fastest.items()}
    return {
        **{name: round(figure, 3) for name, figure in figures.items()},
        "phash_ratio_to_decode_floor": round(figures["decode_floor_ms"] / figures["phash_ms"], 3),
        "ratio_to_hma": round(figures["hma_ms"] / figures["full_fingerprint_ms"], 2),
        "photos": len(photos),
        "megapixels": MEGAPIXELS,
    }


def samples(files: list[Path], most: int) -> Iterator[bytes]:
    """Up to `most` of the photos, evenly chosen, as JPEGs of `MEGAPIXELS`; those that are smaller are left out."""
    large = [path for path in files if _large_enough(path)]
    if not large:
        raise click.ClickException(f"None of the {len(files)} photos has {MEGAPIXELS} megapixels or more.")
    for path in large[:: max(len(large) // most, 1)][:most]:
        yield _resized(path)


def _large_enough(path: Path) -> bool:
    with open_picture(path.read_bytes()) as opened:
        return opened.width * opened.height >= MEGAPIXELS * 1e6


def _resized(path: Path) -> bytes:
    with open_picture(path.read_bytes()) as opened:
        scale = (MEGAPIXELS * 1e6 / (opened.width * opened.height)) ** 0.5
        size = (round(opened.width * scale), round(opened.height * scale))
        small = opened.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()


@click.command(help=__doc__)
@click.option("--photos", "folder", type=click.Path(path_type=Path), default=FOLDER, help="A folder of photos, or one to be filled.")
@click.option("--small", is_flag=True, help=f"{SMALL_PHOTOS} photos: shows that it works, and no figure worth quoting.")
@click.option("--json", "as_json", is_flag=True, help="Only the last line goes to standard output, progress to standard error.")
def main(folder: Path, small: bool, as_json: bool) -> None:
    def say(line: str) -> None:
        click.echo(line, err=as_json)

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    files = [photo.path for photo in photos_in(folder, say)]
    say(f"making {MEGAPIXELS} megapixels of each photo")
    photos = list(samples(files, SMALL_PHOTOS if small else PHOTOS))
    say(f"hashing {len(photos)} photos")
    click.echo(json.dumps(measure(photos, SMALL_ROUNDS if small else ROUNDS)))


if __name__ == "__main__":
    main()
