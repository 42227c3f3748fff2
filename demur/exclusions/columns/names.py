"""Finds key columns among the columns of a manifest, whatever these are called."""

from collections.abc import Iterable, Mapping

from demur.exclusions.columns.kinds import KEY_COLUMNS
from demur.exclusions.columns.reading import BadKeyColumn, NoKeyColumn
from demur.exclusions.columns.spellings import BLANKS

Names = Mapping[str, str]
"""Our name of a column → the manifest's."""
NO_NAMES: Names = {}
Found = dict[str, tuple[str, ...]]
"""Our name → the manifest's columns for it, best first: where a row lacks a value in one, that in the next counts."""


def plain_name(name: str) -> str:
    """A column's name as it is compared with ours: without blanks around it, in lower case."""
    return name.strip(BLANKS).lower()


def key_columns(names: Iterable[str], where: str, given: Names = NO_NAMES) -> Found:
    """The key columns among a manifest's, which come in the order of the manifest and as often as there.

    `given` says of some of ours which column is meant, instead of what would be found. Raises NoKeyColumn, also when a given column is not
    there; BadKeyColumn when two columns have one name, so that nobody can say which is meant.
    """
    names = list(names)
    missing = sorted(set(given.values()) - set(names))
    if missing:
        raise NoKeyColumn(f"{where} has no column {missing[0]}")
    columns: Found = {ours: (theirs,) for ours, theirs in given.items()}
    for ours, column in KEY_COLUMNS.items():
        if ours not in columns and (found := aliased(column.aliases, names)):
            columns[ours] = found
    if not columns:
        raise NoKeyColumn(f"{where} has no column by which a list excludes: no uid, key, id, path, sha256, url, owner or phash")
    for found in columns.values():
        refuse_doubled(found, names, where)
    return columns


def aliased(aliases: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that are one of the aliases, in the order of these."""
    by_name = {plain_name(name): name for name in reversed(list(names))}
    return tuple(by_name[alias] for alias in aliases if alias in by_name)


def refuse_doubled(columns: Iterable[str], names: Iterable[str], where: str) -> None:
    """Raises BadKeyColumn when another column has the name of one of these, blanks and case aside."""
    plain = [plain_name(name) for name in names]
    for name in columns:
        if plain.count(plain_name(name)) > 1:
            raise BadKeyColumn(f"{where} has {plain.count(plain_name(name))} columns named {plain_name(name)}")
