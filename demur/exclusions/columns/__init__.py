"""Key columns: how those by which a list excludes are called, which types they may have, and what their values mean.

One `KeyColumn` for each is read by import, filter, deletion vectors, Spark and every adapter alike. Pure: arrays and values come in.
"""

from demur.exclusions.columns.column import KeyColumn
from demur.exclusions.columns.identifiers import all_spellings, fold, folded, hyphenated, usual
from demur.exclusions.columns.kinds import KEY_COLUMNS, PATHS, PERCEPTUAL_COLUMNS, TEXT_KINDS
from demur.exclusions.columns.names import NO_NAMES, Found, Names, aliased, key_columns, plain_name, refuse_doubled
from demur.exclusions.columns.paths import listed
from demur.exclusions.columns.reading import BadKeyColumn, Fault, Misspelled, NoKeyColumn, Reading
from demur.exclusions.columns.rows import KeyedRows
from demur.exclusions.columns.scanning import trimmed
from demur.exclusions.columns.spellings import BLANKS, plain_path

__all__ = [
    "BLANKS",
    "KEY_COLUMNS",
    "NO_NAMES",
    "PATHS",
    "PERCEPTUAL_COLUMNS",
    "TEXT_KINDS",
    "BadKeyColumn",
    "Fault",
    "Found",
    "KeyColumn",
    "KeyedRows",
    "Misspelled",
    "Names",
    "NoKeyColumn",
    "Reading",
    "aliased",
    "all_spellings",
    "fold",
    "folded",
    "hyphenated",
    "key_columns",
    "listed",
    "plain_name",
    "plain_path",
    "refuse_doubled",
    "trimmed",
    "usual",
]
