"""Uids that are paths, in one form: `./a/1.jpg`, `a//1.jpg` and `a/b/../1.jpg` name what `a/1.jpg` names. Nothing on a disk is asked."""

import pyarrow as pa
import pyarrow.compute as pc

from demur.exclusions.columns.scanning import Seen, TextArray, seen_in, trimmed_and_seen
from demur.exclusions.columns.spellings import plain_path

_OTHER_FORM = r"^\.{1,2}/|//|/\.{1,2}/"


def plain_paths(column: TextArray, seen: Seen) -> TextArray:
    """Trimmed texts, of which paths are in their one form; the same array where all are. `seen`: in the column."""
    if not seen.dots:
        return column
    other = pc.fill_null(pc.match_substring_regex(column, _OTHER_FORM), False)
    if not pc.any(other).as_py():
        return column
    plain = [plain_path(text) for text in column.filter(other).to_pylist()]
    return pc.replace_with_mask(column, other, pa.array(plain, column.type))


def listed(kind: str, keys: TextArray) -> TextArray:
    """Keys of a list's entries, as those of a manifest are read."""
    seen = seen_in(keys)
    assert seen is not None, "a list holds valid text"
    plain, seen = trimmed_and_seen(keys, seen)
    return plain_paths(plain, seen) if kind == "uid" else plain
