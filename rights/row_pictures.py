"""What is known of manifest rows' pictures: the hashes of the row and, where the picture itself is at hand, of its eight orientations."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demur.manifests import Catalogue, ManifestError
from demur.manifests.pictures import read_picture
from demur.similarity.fingerprint import PictureError, fingerprint
from rights.hashes import ROW_COLUMNS, Hashes, asked


def hashes_of_rows(catalogue: Catalogue, positions: Sequence[int]) -> list[Hashes]:
    """Hashes of the rows at these positions, in their order."""
    rows = catalogue.take(positions, [*ROW_COLUMNS, "shard", "row"]).to_pylist()
    return [_turned(catalogue.source_root, row) or Hashes.of_row(row) for row in rows]


def _turned(root: Path, row: dict[str, Any]) -> Hashes | None:
    """The picture's own hashes; None when it is gone, was replaced since the import, or cannot be read."""
    try:
        hashes = Hashes.of_picture(asked(fingerprint(read_picture(root, row["shard"], row["row"]))))
    except (ManifestError, PictureError):
        return None
    return hashes if hashes.sha256 == row["sha256"] else None
