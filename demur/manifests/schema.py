"""The columns of a catalogue, and the names under which manifests bring them."""

from collections.abc import Iterable

import pyarrow as pa

from demur.exclusions.columns import KEY_COLUMNS, PATHS, BadKeyColumn, aliased, refuse_doubled
from demur.manifests.errors import DoubledColumn, MissingColumn

SCHEMA = pa.schema(
    [
        pa.field("uid", pa.string(), nullable=False),
        pa.field("owner", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("caption", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("sha256", pa.string()),
        pa.field("phash", pa.uint64()),
        pa.field("pdq", pa.binary(32)),
        pa.field("pdq_quality", pa.uint8()),
        pa.field("posted_at", pa.timestamp("s")),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
    ]
)
"""rows.parquet. `owner` is "" where the manifest names none. `shard` and `row` say where the row and its picture came from."""

ALIASES: dict[str, tuple[str, ...]] = {
    **{name: tuple(alias for alias in column.aliases if alias not in PATHS) for name, column in KEY_COLUMNS.items()},
    "caption": ("caption", "text"),
    "width": ("width",),
    "height": ("height",),
    "posted_at": ("posted_at",),
    "status": ("status",),
    "visibility": ("visibility",),
    "path": PATHS,
}
"""Column → the names it may have in a manifest, best first; compared without regard to case and to blanks around them."""


def match_columns(names: Iterable[str], where: str) -> dict[str, str]:
    """Maps our column names to those of a table, leaving out the columns that it lacks and those we have no use for.

    Raises MissingColumn when neither `uid` nor `path` is there: such rows could not be named; DoubledColumn when two columns have the
    name of a key, so that nobody can say which is meant.
    """
    return {ours: theirs[0] for ours, theirs in match_all_columns(names, where).items()}


def match_all_columns(names: Iterable[str], where: str) -> dict[str, tuple[str, ...]]:
    """As `match_columns`, with all columns that a table has for one of ours, best first. Raises what that raises."""
    names = list(names)
    found = {ours: aliased(aliases, names) for ours, aliases in ALIASES.items()}
    columns = {ours: theirs for ours, theirs in found.items() if theirs}
    if "uid" not in columns and "path" not in columns:
        there = ", ".join(sorted(names)) or "none"
        raise MissingColumn(f"{where} has no column 'uid' (or 'key', 'id', 'path') to name its rows by; its columns are: {there}.")
    try:
        refuse_doubled([name for ours, theirs in columns.items() if ours in KEY_COLUMNS for name in theirs], names, where)
    except BadKeyColumn as error:
        raise DoubledColumn(f"{error}.") from error
    return columns
