from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rights.used import RunWord, had_to_leave_out, trains_on, used_or_absent

BEGAN = datetime(2026, 11, 29, 3, 41, tzinfo=UTC)


@dataclass(frozen=True)
class Run:
    list_version: int | None


versions = st.none() | st.integers(1, 20)
runs = st.builds(Run, versions)


@pytest.mark.parametrize(
    ("obeyed", "since", "consumed", "word"),
    [
        (None, None, True, RunWord.CONTAINS),
        (3, 2, True, RunWord.CONTAINS),
        (2, 2, False, RunWord.ABSENT),
        (3, 2, False, RunWord.ABSENT),
        (1, 2, False, RunWord.UNUSED),
        (None, 2, False, RunWord.UNUSED),
        (3, None, False, RunWord.UNUSED),
    ],
)
def test_of_each_run_one_sentence_holds(obeyed: int | None, since: int | None, consumed: bool, word: RunWord):
    assert used_or_absent(Run(obeyed), since, consumed) is word


@given(runs, versions, st.booleans())
def test_a_run_contains_what_it_consumed_and_leaves_out_only_what_its_list_named(run: Run, since: int | None, consumed: bool):
    word = used_or_absent(run, since, consumed)
    assert (word is RunWord.CONTAINS) is consumed
    assert (word is RunWord.ABSENT) is (not consumed and had_to_leave_out(run, since))


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 5))
def test_a_run_under_a_later_list_leaves_out_what_one_under_an_earlier_list_left_out(obeyed: int, since: int, later: int):
    if had_to_leave_out(Run(obeyed), since):
        assert had_to_leave_out(Run(obeyed + later), since)


@given(runs, versions, st.integers(-1000, 1000))
def test_a_run_in_training_uses_what_its_manifests_held_and_its_list_did_not(run: Run, since: int | None, minutes: int):
    registered = BEGAN + timedelta(minutes=minutes)
    uses = trains_on(run, BEGAN, since, [registered])
    assert uses is (minutes <= 0 and used_or_absent(run, since, consumed=False) is RunWord.UNUSED)


def test_a_run_in_training_uses_nothing_that_is_in_no_manifest():
    assert not trains_on(Run(None), BEGAN, None, [])
