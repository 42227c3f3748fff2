"""What is known of manifest rows' pictures: the hashes of the row and, where the picture itself is at hand, of all its variants."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from demur.manifests import Catalogue, ManifestError
from demur.manifests.pictures import read_picture
from demur.similarity.fingerprint import PictureError
from demur.similarity.sandbox import Sandbox
from rights.hashes import ROW_COLUMNS, Hashes

Place = tuple[Catalogue, int]
"""A row of a catalogue, by its position."""
_COLUMNS = ["uid", "owner", "url", *ROW_COLUMNS, "shard", "row"]


def read_rows(places: Sequence[Place]) -> list[dict[str, Any]]:
    """What tells of the rows who they are, and where their pictures lie; in their order."""
    by_catalogue: dict[int, list[int]] = defaultdict(list)
    for number, (catalogue, _) in enumerate(places):
        by_catalogue[id(catalogue)].append(number)
    rows: list[dict[str, Any]] = [{}] * len(places)
    for numbers in by_catalogue.values():
        taken = places[numbers[0]][0].take([places[number][1] for number in numbers], _COLUMNS)
        for number, row in zip(numbers, taken.to_pylist(), strict=True):
            rows[number] = row
    return rows


def never() -> bool:
    return False


def hashes_of_rows(
    places: Sequence[Place],
    rows: Sequence[Mapping[str, Any]],
    sandbox: Sandbox,
    known: Mapping[str, Hashes],
    *,
    must: Sequence[bool] = (),
    over: Callable[[], bool] = never,
) -> list[Hashes | None]:
    """Hashes of the rows at these places, which ``read_rows`` read, in their order.

    ``known``: by digest, those of pictures that need not be decoded again. Once ``over``, no further picture is decoded but those that
    ``must`` be; the others are None. As many pictures are in memory as the sandbox has processes. Raises SandboxCannotStart.
    """

    def hashes_of(number: int) -> Hashes | None:
        row = rows[number]
        if row["sha256"] in known:
            return known[row["sha256"]]
        if over() and not (must and must[number]):
            return None
        return _of_picture(places[number][0].source_root, row, sandbox) or Hashes.of_row(row)

    with ThreadPoolExecutor(sandbox.processes) as threads:
        return list(threads.map(hashes_of, range(len(rows))))


def _of_picture(root: Path, row: Mapping[str, Any], sandbox: Sandbox) -> Hashes | None:
    """The picture's own hashes; None when it is gone, was replaced since the import, or cannot be read."""
    try:
        data = read_picture(root, row["shard"], row["row"])
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            return None
        return Hashes.of_picture(sandbox.read(data).query)
    except (ManifestError, PictureError):
        return None
