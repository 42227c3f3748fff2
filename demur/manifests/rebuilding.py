"""Makes a catalogue's tables again from its rows: after a change of their format, or a damaged disk."""

import os
import tempfile
from pathlib import Path

from demur.files import sync
from demur.manifests.catalogue import Catalogue
from demur.manifests.digest_table import text_digests
from demur.manifests.writing import TABLED, TablesWriter


def rebuild_tables(path: Path) -> None:
    """Replaces every derived file of the catalogue at `path`, each in one step, once all are written and on the disk.

    Raises NotACatalogue, also when rows.parquet is not the one that was imported.
    """
    catalogue = Catalogue.open(path)
    catalogue.check_rows()
    with tempfile.TemporaryDirectory(prefix=".tables-", dir=path) as scratch:
        tables = TablesWriter(Path(scratch))
        try:
            for batch in catalogue.batches(TABLED):
                tables.add(batch, text_digests(batch["uid"]))
            tables.finish()
        finally:
            tables.close()
        _move_files(Path(scratch), path)


def _move_files(scratch: Path, path: Path) -> None:
    files = list(scratch.iterdir())
    for file in files:
        sync(file)
    for file in files:
        os.replace(file, path / file.name)
    sync(path)
