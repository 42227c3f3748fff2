import csv
import io
import json

import pytest

from demur.exclusions import Entry, KeyKind
from demur.exclusions.exports import write_csv, write_jsonl, write_uids

ENTRIES = [Entry(KeyKind.PHASH, "0" * 16, "f" * 64), Entry(KeyKind.UID, "7"), Entry(KeyKind.URL, 'http://x/"a,b"\né')]


def test_csv_and_jsonl_hold_every_entry() -> None:
    as_csv, as_jsonl = io.StringIO(), io.StringIO()
    write_csv(ENTRIES, as_csv)
    write_jsonl(ENTRIES, as_jsonl)
    expected = [{"kind": entry.kind.value, "key": entry.key, "pdq": entry.pdq} for entry in ENTRIES]
    assert list(csv.DictReader(io.StringIO(as_csv.getvalue(), newline=""))) == expected
    assert [json.loads(line) for line in as_jsonl.getvalue().splitlines()] == expected


def test_uids_are_one_a_line() -> None:
    file = io.StringIO()
    write_uids(ENTRIES, file)
    assert file.getvalue() == "7\n"
    with pytest.raises(ValueError, match="line break"):
        write_uids([Entry(KeyKind.UID, "a\nb")], file)
