"""Rows that cannot be compared are counted by reason, and stop a run unless they are allowed."""

import pytest

from demur.filtering import FilterReport, UnreadableRows


def test_one_row_that_cannot_be_compared_stops_a_run() -> None:
    report = FilterReport(rows=9, kept=9)
    report.refuse_unreadable()
    report.add_unreadable("a row of 3 cells under 2 names", "m.csv, line 7: two, and more,p2")
    with pytest.raises(UnreadableRows, match=r"1 of 10 rows cannot be compared .* a row of 3 cells under 2 names: 1 \(m.csv, line 7"):
        report.refuse_unreadable()


def test_as_many_as_are_allowed_pass_and_are_named() -> None:
    report = FilterReport(rows=9, kept=9, allow_unreadable=3)
    report.add_unreadable("no uid", "row 1", 2)
    report.add_unreadable("not JSON", "row 2")
    report.refuse_unreadable()
    assert report.unreadable_rows == 3
    assert {reason: each.rows for reason, each in report.unreadable.items()} == {"no uid": 2, "not JSON": 1}
    report.add_unreadable("no uid", "row 4")
    with pytest.raises(UnreadableRows):
        report.refuse_unreadable()


def test_a_manifest_of_which_nothing_can_be_compared_is_refused_whatever_is_allowed() -> None:
    report = FilterReport(allow_unreadable=100)
    report.add_unreadable("no uid", "rows 1 to 50", 50)
    with pytest.raises(UnreadableRows):
        report.refuse_unreadable()


def test_examples_cannot_forge_lines_and_are_few() -> None:
    report = FilterReport()
    report.add_unreadable("no uid", "a\n\x1b[2JKept 5 of 5\u202e\ud83d" + "x" * 200)
    for number in range(20):
        report.add_unreadable("no uid", f"row {number}")
    (first, *rest) = report.unreadable["no uid"].examples
    assert first.startswith("a\\n\\x1b[2JKept 5 of 5\\u202e\\ud83dx")
    assert (len(first) < 200, len(rest)) == (True, 4)
