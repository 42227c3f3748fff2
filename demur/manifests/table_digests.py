"""The digests of a catalogue's derived tables, by which damage is noticed: `tables.sha256`, as `sha256sum` writes and checks it."""

from collections.abc import Iterable
from pathlib import Path

from demur.digests import sha256_file
from demur.manifests.errors import DamagedTables

DIGESTS_FILE = "tables.sha256"
_PARTS = ("digests", "rows")
OWNER_TABLES = (*(f"owner.{part}" for part in _PARTS), "owner.starts")
UNUSUAL_ROWS = "unusual.rows"
"""Not in catalogues of older imports."""
TABLES = ("pdq.bin", *OWNER_TABLES, *(f"{table}.{part}" for table in ("sha256", "uid") for part in _PARTS), UNUSUAL_ROWS)
_MOST_BYTES = 1 << 16


def write_digests(directory: Path) -> None:
    """Of the tables that lie in a directory. Raises OSError."""
    lines = [f"{sha256_file(directory / name)}  {name}\n" for name in TABLES]
    (directory / DIGESTS_FILE).write_text("".join(lines), encoding="utf-8")


def check_tables(directory: Path, names: Iterable[str] = TABLES) -> bool:
    """Whether the tables have known digests: some of an older import have none. Raises DamagedTables where one has another, OSError."""
    known = _known(directory)
    if known is None:
        return False
    every = True
    for name in names:
        if name == UNUSUAL_ROWS and name not in known:
            every = False
        elif not (directory / name).is_file() or sha256_file(directory / name) != known.get(name):
            raise DamagedTables(f"the table {name} of the catalogue {directory.name} is damaged: `flask manifest rebuild` makes it again")
    return every


def _known(directory: Path) -> dict[str, str] | None:
    try:
        with (directory / DIGESTS_FILE).open("rb") as file:
            lines = file.read(_MOST_BYTES).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return None
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
