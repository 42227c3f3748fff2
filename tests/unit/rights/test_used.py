from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rights.used import RunWord, Span, Spans, TrainingWord, entered_at, had_to_leave_out, in_training, left_at, used_or_absent

BEGAN = datetime(2026, 11, 29, 3, 41, tzinfo=UTC)


@dataclass(frozen=True)
class Run:
    list_version: int | None
    has_read_list: bool = True
    began_at: datetime = BEGAN


versions = st.none() | st.integers(1, 20)
runs = st.builds(Run, versions)
spans = st.builds(
    lambda since, length: Span(since, None if length is None else since + length), st.integers(1, 20), st.none() | st.integers(1, 9)
)
named = st.lists(spans, max_size=3).map(tuple)
LISTED, PUT_BACK = (Span(2),), (Span(2, 4),)


@pytest.mark.parametrize(
    ("obeyed", "named", "consumed", "word"),
    [
        (None, (), True, RunWord.CONTAINS),
        (3, LISTED, True, RunWord.CONTAINS),
        (2, LISTED, False, RunWord.ABSENT),
        (3, LISTED, False, RunWord.ABSENT),
        (3, PUT_BACK, False, RunWord.ABSENT),
        (4, PUT_BACK, False, RunWord.UNUSED),
        (5, (*PUT_BACK, Span(5)), False, RunWord.ABSENT),
        (1, LISTED, False, RunWord.UNUSED),
        (None, LISTED, False, RunWord.UNUSED),
        (3, (), False, RunWord.UNUSED),
    ],
)
def test_of_each_run_one_sentence_holds(obeyed: int | None, named: Spans, consumed: bool, word: RunWord):
    assert used_or_absent(Run(obeyed), named, consumed) is word


@given(runs, named, st.booleans())
def test_a_run_contains_what_it_consumed_and_leaves_out_only_what_its_list_named(run: Run, named: Spans, consumed: bool):
    word = used_or_absent(run, named, consumed)
    assert (word is RunWord.CONTAINS) is consumed
    assert (word is RunWord.ABSENT) is (not consumed and had_to_leave_out(run, named))


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 5))
def test_what_ends_after_a_run_read_its_list_changes_nothing_about_the_run(obeyed: int, since: int, later: int):
    ended = (Span(since, max(obeyed, since) + later),)
    assert had_to_leave_out(Run(obeyed), ended) is had_to_leave_out(Run(obeyed), (Span(since),))


@given(runs, named, st.integers(-1000, 1000))
def test_a_run_in_training_uses_what_its_manifests_held_and_its_list_did_not(run: Run, named: Spans, minutes: int):
    word = in_training(run, named, [BEGAN + timedelta(minutes=minutes)])
    if minutes > 0:
        assert word is None
    else:
        assert word is (TrainingWord.LEAVING_OUT if had_to_leave_out(run, named) else TrainingWord.TRAINING)


@given(named)
def test_nothing_is_known_of_a_run_that_has_not_read_the_list(named: Spans):
    assert in_training(Run(None, has_read_list=False), named, [BEGAN]) is TrainingWord.STARTING


def test_a_run_in_training_uses_nothing_that_is_in_no_manifest():
    assert in_training(Run(None), (), []) is None


@given(named)
def test_the_list_names_something_from_where_it_entered_to_where_it_left(named: Spans):
    is_in = [any(span.holds(version) for span in named) for version in range(40)]
    changes = [version for version in range(1, 40) if is_in[version] != is_in[version - 1]]
    assert sorted(entered_at(named) + left_at(named)) == changes
