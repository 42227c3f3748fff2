"""What is known of manifest rows' pictures: the hashes of the row and, where the picture itself is at hand, of all its variants."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from demur.manifests import Catalogue, ManifestError
from demur.manifests.pictures import read_picture
from demur.similarity.fingerprint import PictureError
from demur.similarity.sandbox import Sandbox
from rights.hashes import ROW_COLUMNS, Hashes


def hashes_of_rows(catalogue: Catalogue, positions: Sequence[int], sandbox: Sandbox, known: Mapping[str, Hashes]) -> list[Hashes]:
    """Hashes of the rows at these positions, in their order. ``known``: by digest, those of pictures that need not be decoded again.

    As many pictures are in memory as the sandbox has processes. Raises SandboxCannotStart.
    """
    rows = catalogue.take(positions, [*ROW_COLUMNS, "shard", "row"]).to_pylist()

    def hashes_of(row: dict[str, Any]) -> Hashes:
        return known.get(row["sha256"]) or _of_picture(catalogue.source_root, row, sandbox) or Hashes.of_row(row)

    with ThreadPoolExecutor(sandbox.processes) as threads:
        return list(threads.map(hashes_of, rows))


def _of_picture(root: Path, row: dict[str, Any], sandbox: Sandbox) -> Hashes | None:
    """The picture's own hashes; None when it is gone, was replaced since the import, or cannot be read."""
    try:
        data = read_picture(root, row["shard"], row["row"])
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            return None
        return Hashes.of_picture(sandbox.read(data).query)
    except (ManifestError, PictureError):
        return None
