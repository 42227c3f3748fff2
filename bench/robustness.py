"""How many edited copies of a photo are found, and how many other photos are mistaken for one.

    python -m bench.robustness --photos DIR --json

Every photo is edited in each way of `bench._edits`, as a person would, and encoded. *Opt-out*: the photo is searched under Demur's edits
among the copies of all photos, one hash each. *Lookup*: a copy is searched under them, and the photo as posted stands in the manifest.
The peer is PDQ as Meta's Hasher-Matcher-Actioner takes and matches it: threatexchange's hash of the whole picture, within 31 bits.
A folder that is not there is filled with real photos first (bench._photos).
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from PIL import Image
from threatexchange.signal_type.pdq.pdq_hasher import pdq_from_bytes

from bench._edits import EDITS, encoded
from bench._photos import FOLDER, Photo, photos_in
from demur.similarity import edits
from demur.similarity.fingerprint import decode, fingerprint
from demur.similarity.query import Variant
from demur.similarity.rules import MIN_QUALITY, PDQ_PROPOSED, MatchKind, classify, search_radius

POSTED_SIDE = 1280
"""The longer side, in pixels, at which a platform serves a photo; larger ones are reduced to it first."""
HMA_BITS = 31
SHARE = 4
"""One photo in so many is also looked up by its copies, and hashed as HMA does: both take longer than all the rest."""
SMALL_PHOTOS = 24

Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Hashes:
    """Parallel arrays: phash (n,) uint64, PDQ (n, 32) uint8, quality (n,)."""

    phash: npt.NDArray[np.uint64]
    pdq: Bits
    quality: npt.NDArray[np.int64]

    @classmethod
    def of(cls, parts: Sequence[tuple[int, bytes, int]]) -> "Hashes":
        hashes, confirming, qualities = zip(*parts, strict=True)
        pdqs = np.frombuffer(b"".join(confirming), np.uint8).reshape(-1, 32)
        return cls(np.array(hashes, np.uint64), pdqs, np.array(qualities, np.int64))

    def __getitem__(self, rows: slice) -> "Hashes":
        return Hashes(self.phash[rows], self.pdq[rows], self.quality[rows])

    @classmethod
    def joined(cls, parts: Sequence["Hashes"]) -> "Hashes":
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("phash", "pdq", "quality")))


@dataclass(frozen=True)
class Searched:
    """What a photo is searched as: the hashes of its variants, and within how many bits of phash (n,) each is."""

    hashes: Hashes
    radii: npt.NDArray[np.int64]

    @classmethod
    def of(cls, variants: Sequence[Variant]) -> "Searched":
        hashes = Hashes.of([(variant.phash, variant.pdq, variant.quality) for variant in variants])
        return cls(hashes, np.array([search_radius(variant.edit, variant.dihedral) for variant in variants], np.int64))


@dataclass(frozen=True)
class Measured:
    """Of one photo: the hashes of the photo as posted and of every edited copy; what it is searched as; and, of some photos, what each copy
    is searched as and HMA's distances, else nothing."""

    rows: Hashes
    searched: Searched
    variants_ms: float
    copies_searched: tuple[Searched, ...]
    hma_bits: tuple[int, ...]

    @property
    def comparable(self) -> npt.NDArray[np.bool_]:
        """Of every edited copy, whether it and the photo have texture enough."""
        textured: npt.NDArray[np.bool_] = self.rows.quality >= MIN_QUALITY
        return textured[1:] if textured[0] else np.zeros(len(EDITS), np.bool_)


def measured(path: Path, whole: bool) -> Measured:
    """Everything about one photo; `whole`: also what takes long."""
    picture = posted(path)
    files = [encoded(picture), *(edit.file(picture) for edit in EDITS)]
    rows = Hashes.of([_row(file) for file in files])
    luma, _ = decode(files[0])
    started = time.perf_counter()
    variants = edits.variants(luma)
    taken_ms = (time.perf_counter() - started) * 1000
    copies = tuple(Searched.of(edits.variants(decode(file)[0])) for file in files[1:]) if whole else ()
    return Measured(rows, Searched.of(variants), taken_ms, copies, _hma_bits(files) if whole else ())


def posted(path: Path) -> Image.Image:
    """The photo as its owner posted it: RGB, on white, at most POSTED_SIDE long."""
    with Image.open(path) as opened:
        opened.draft("RGB", (POSTED_SIDE, POSTED_SIDE))
        picture = opened.convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    flat.thumbnail((POSTED_SIDE, POSTED_SIDE), reducing_gap=2.0)
    return flat


def _row(file: bytes) -> tuple[int, bytes, int]:
    taken = fingerprint(file)
    return taken.phash, taken.pdq, taken.pdq_quality


def _hma_bits(files: Sequence[bytes]) -> tuple[int, ...]:
    """Distances of every copy from the photo as posted."""
    original, *copies = (int(pdq_from_bytes(file)[0], 16) for file in files)
    return tuple((original ^ copy).bit_count() for copy in copies)


def found(searched: Searched, rows: Hashes) -> dict[int, MatchKind]:
    """The rows that a search finds, each with its surest kind, by the rules of `demur.similarity.rules`."""
    hashes = searched.hashes
    near = np.bitwise_count(hashes.phash[:, np.newaxis] ^ rows.phash)
    variants, places = np.nonzero(near <= searched.radii[:, np.newaxis])
    distances = np.bitwise_count(hashes.pdq[variants] ^ rows.pdq[places]).sum(axis=1)
    kinds: dict[int, MatchKind] = {}
    for hit in np.flatnonzero(distances <= PDQ_PROPOSED):
        variant, row = variants[hit], int(places[hit])
        kind = classify(
            same_bytes=False,
            phash_distance=int(near[variant, row]),
            pdq_distance=int(distances[hit]),
            quality=int(hashes.quality[variant]),
            other_quality=int(rows.quality[row]),
        )
        if kind is not None and kinds.get(row) is not MatchKind.CONFIRMED:
            kinds[row] = kind
    return kinds


@dataclass(frozen=True)
class Shares:
    """Of the copies made by one edit, how many were counted, and the shares of them that were found; NaN where none was tried."""

    edit: str
    copies: int
    confirmed: float
    proposed: float
    looked_up: float
    hma: float


def shares(number: int, photos: Sequence[Measured]) -> Shares:
    """Of the edit with this number."""
    counted = [photo for photo in photos if photo.comparable[number]]
    whole = [photo for photo in counted if photo.copies_searched]
    row = slice(number + 1, number + 2)
    kinds = [found(photo.searched, photo.rows[row]).get(0) for photo in counted]
    looked_up = [found(photo.copies_searched[number], photo.rows[:1]).get(0) for photo in whole]
    return Shares(
        edit=EDITS[number].name,
        copies=len(counted),
        confirmed=_share([kind is MatchKind.CONFIRMED for kind in kinds]),
        proposed=_share([kind is not None for kind in kinds]),
        looked_up=_share([kind is MatchKind.CONFIRMED for kind in looked_up]),
        hma=_share([photo.hma_bits[number] <= HMA_BITS for photo in whole]),
    )


def _share(hits: Sequence[bool]) -> float:
    return float(np.mean(hits)) if hits else float("nan")


@dataclass(frozen=True)
class Mistaken:
    """A photo, and a copy of another one that its search finds."""

    photo: str
    other: str
    edit: str
    kind: MatchKind


def mistakes(photos: Sequence[Photo], taken: Sequence[Measured], say: Callable[[str], None]) -> tuple[list[Mistaken], int]:
    """Pairs of a photo and a copy of a photo of another family that match, and of how many pairs, all of quality enough.

    A pair is counted once, however many variants it is compared by.
    """
    rows = Hashes.joined([one.rows for one in taken])
    owners = np.repeat(np.arange(len(taken)), len(EDITS) + 1)
    families = np.array([photo.family for photo in photos])
    textured = rows.quality >= MIN_QUALITY
    mistaken: list[Mistaken] = []
    pairs = 0
    for number in np.flatnonzero([one.rows.quality[0] >= MIN_QUALITY for one in taken]).tolist():
        strangers = textured & (families[owners] != families[number])
        pairs += int(strangers.sum())
        for row, kind in found(taken[number].searched, rows).items():
            if strangers[row]:
                edit = row % (len(EDITS) + 1)
                name = EDITS[edit - 1].name if edit else "as posted"
                mistaken.append(Mistaken(photos[number].path.name, photos[owners[row]].path.name, name, kind))
        if number % 50 == 0:
            say(f"  compared {number:,} of {len(photos):,} photos with {len(rows.phash):,} copies")
    return mistaken, pairs


def measure(photos: Sequence[Photo], say: Callable[[str], None]) -> dict[str, float | int]:
    """All figures of this benchmark, measured now."""
    taken = list(_all_measured(photos, say))
    table = [shares(number, taken) for number in range(len(EDITS))]
    _tell(table, say)
    mistaken, pairs = mistakes(photos, taken, say)
    for mistake in mistaken:
        say(f"  {mistake.kind}: {mistake.photo} finds {mistake.other}, {mistake.edit}")
    gated = sum(not one.comparable.any() for one in taken)
    return {
        "photos": len(photos),
        "edits": len(EDITS),
        "recall": _mean([row.confirmed for row in table]),
        "recall_proposed": _mean([row.proposed for row in table]),
        "recall_lookup": _mean([row.looked_up for row in table]),
        "hma_recall": _mean([row.hma for row in table]),
        "false_matches": sum(mistake.kind is MatchKind.CONFIRMED for mistake in mistaken),
        "false_proposed": sum(mistake.kind is MatchKind.PROPOSED for mistake in mistaken),
        "pairs": pairs,
        "quality_gated": gated,
        "copies_gated": sum(int((~one.comparable).sum()) for one in taken) - gated * len(EDITS),
        "variants": statistics.median(len(one.searched.radii) for one in taken),
        "variants_ms": round(statistics.median(one.variants_ms for one in taken), 2),
    }


def _all_measured(photos: Sequence[Photo], say: Callable[[str], None]) -> Iterator[Measured]:
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        whole = [number % SHARE == 0 for number in range(len(photos))]
        for number, one in enumerate(workers.map(measured, [photo.path for photo in photos], whole), start=1):
            if number % 10 == 0 or number == len(photos):
                say(f"  {number:,} of {len(photos):,} photos edited in {len(EDITS)} ways")
            yield one


def _tell(table: Sequence[Shares], say: Callable[[str], None]) -> None:
    say(f"{'edit':58} copies  opt-out  proposed  lookup    HMA")
    for row in table:
        say(f"{row.edit:58} {row.copies:6} {row.confirmed:8.3f} {row.proposed:9.3f} {row.looked_up:7.3f} {row.hma:6.3f}")


def _mean(values: Sequence[float]) -> float:
    """Over edits, each of the same weight."""
    return round(float(np.nanmean(values)), 4)


@click.command(help=__doc__)
@click.option("--photos", "folder", type=click.Path(path_type=Path), default=FOLDER, help="A folder of photos, or one to be filled.")
@click.option("--small", is_flag=True, help=f"{SMALL_PHOTOS} photos: shows that it works, and no figure worth quoting.")
@click.option("--json", "as_json", is_flag=True, help="Only the last line goes to standard output, progress to standard error.")
def main(folder: Path, small: bool, as_json: bool) -> None:
    def say(line: str) -> None:
        click.echo(line, err=as_json)

    photos = photos_in(folder, say)
    if small:
        photos = photos[:: max(1, len(photos) // SMALL_PHOTOS)][:SMALL_PHOTOS]
    click.echo(json.dumps(measure(photos, say)))


if __name__ == "__main__":
    main()
