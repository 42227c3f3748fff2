"""The columns of a catalogue, and the names under which manifests bring them."""

from collections.abc import Iterable

import pyarrow as pa

from demur.manifests.errors import MissingColumn

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
    "uid": ("uid", "key", "id", "sample_id"),
    "owner": ("owner", "user", "user_id", "account"),
    "url": ("url", "image_url"),
    "caption": ("caption", "text"),
    "width": ("width",),
    "height": ("height",),
    "sha256": ("sha256",),
    "phash": ("phash",),
    "pdq": ("pdq",),
    "pdq_quality": ("pdq_quality",),
    "posted_at": ("posted_at",),
    "status": ("status",),
    "visibility": ("visibility",),
    "path": ("path", "file_name"),
}
"""Column → the names it may have in a manifest, best first; compared without regard to case."""


def match_columns(names: Iterable[str], where: str) -> dict[str, str]:
    """Maps our column names to those of a table, leaving out the columns that it lacks and those we have no use for.

    Raises MissingColumn when neither `uid` nor `path` is there: such rows could not be named.
    """
    by_lower = {name.lower(): name for name in reversed(list(names))}
    found = {ours: [by_lower[alias] for alias in aliases if alias in by_lower] for ours, aliases in ALIASES.items()}
    columns = {ours: theirs[0] for ours, theirs in found.items() if theirs}
    if "uid" not in columns and "path" not in columns:
        there = ", ".join(sorted(by_lower.values())) or "none"
        raise MissingColumn(f"{where} has no column 'uid' (or 'key', 'id', 'path') to name its rows by; its columns are: {there}.")
    return columns
