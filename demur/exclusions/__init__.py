"""Signed, versioned exclusion lists: built by a controller, and read by training engineers with a reader that fails closed."""

from demur.exclusions.entries import BadEntry, Change, ChangeOp, Entry, KeyKind
from demur.exclusions.head import Head
from demur.exclusions.matching import Judgement
from demur.exclusions.reader import ExclusionList
from demur.exclusions.table import EntryTable
from demur.exclusions.trusted import ListRefused
from demur.exclusions.writer import Version, build_version, place_version, point_head, written_version

__all__ = [
    "BadEntry",
    "Change",
    "ChangeOp",
    "Entry",
    "EntryTable",
    "ExclusionList",
    "Head",
    "Judgement",
    "KeyKind",
    "ListRefused",
    "Version",
    "build_version",
    "place_version",
    "point_head",
    "written_version",
]
