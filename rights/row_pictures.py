"""What is known of manifest rows' pictures: the hashes of the row and, where the picture itself is at hand, of all its variants."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demur.manifests import Catalogue, ManifestError
from demur.manifests.pictures import read_picture
from demur.similarity.edits import variants
from demur.similarity.fingerprint import PictureError, decode
from demur.similarity.query import Query
from rights.hashes import ROW_COLUMNS, Hashes


def hashes_of_rows(catalogue: Catalogue, positions: Sequence[int]) -> list[Hashes]:
    """Hashes of the rows at these positions, in their order."""
    rows = catalogue.take(positions, [*ROW_COLUMNS, "shard", "row"]).to_pylist()
    return [_of_picture(catalogue.source_root, row) or Hashes.of_row(row) for row in rows]


def _of_picture(root: Path, row: dict[str, Any]) -> Hashes | None:
    """The picture's own hashes; None when it is gone, was replaced since the import, or cannot be read."""
    try:
        data = read_picture(root, row["shard"], row["row"])
        digest = hashlib.sha256(data).hexdigest()
        if digest != row["sha256"]:
            return None
        luma, _ = decode(data)
    except (ManifestError, PictureError):
        return None
    return Hashes.of_picture(Query(digest, variants(luma)))
