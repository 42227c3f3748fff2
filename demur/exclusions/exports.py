"""Plain copies of a list's entries for tools that read neither Parquet nor DSSE. They carry no signature: the version's head does."""

import csv
from collections.abc import Iterable
from typing import TextIO

from demur.digests import canonical_json
from demur.errors import DemurError
from demur.exclusions.entries import Entry, KeyKind


class UnfitForExport(DemurError, ValueError):
    """The form of the export cannot hold an entry."""


def write_csv(entries: Iterable[Entry], file: TextIO) -> None:
    """Header and one line an entry: kind, key, pdq; lines end in LF, cells are quoted where needed (RFC 4180)."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("kind", "key", "pdq"))
    writer.writerows((entry.kind.value, entry.key, entry.pdq) for entry in entries)


def write_jsonl(entries: Iterable[Entry], file: TextIO) -> None:
    """One canonical JSON object a line: {"key":…,"kind":…,"pdq":…}."""
    for entry in entries:
        file.write(canonical_json({"kind": entry.kind.value, "key": entry.key, "pdq": entry.pdq}).decode() + "\n")


def write_uids(entries: Iterable[Entry], file: TextIO) -> None:
    """The keys of the uid entries, one a line. Raises UnfitForExport for a uid with a line break."""
    for entry in entries:
        if entry.kind is KeyKind.UID:
            if len(entry.key.splitlines()) != 1:
                raise UnfitForExport(f"the uid {entry.key!r} holds a line break; use the CSV or JSONL export")
            file.write(entry.key + "\n")
