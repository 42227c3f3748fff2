"""Pure parts of the pages: loss curves, and how values read."""

from datetime import UTC, datetime

import pytest

from portal.charts import POINTS, loss_curves
from portal.formats import counted, duration, minute, timed
from rights.artefacts import LossPoint


def test_each_stage_has_its_curve_thinned_inside_the_plane():
    points = [LossPoint(stage, step, 1 / (1 + step)) for stage in ("autoencoder", "denoiser") for step in range(5000)]
    first, second = loss_curves(points)
    assert (first.stage, second.stage) == ("autoencoder", "denoiser")
    drawn = [tuple(map(float, pair.split(","))) for pair in first.line.split()]
    assert len(drawn) <= POINTS
    assert all(48 <= x <= 632 and 10 <= y <= 212 for x, y in drawn)
    assert [tick.text for tick in first.across] == ["0", "1,000", "2,000", "3,000", "4,000"]
    assert first.rows[0][0] == 0
    assert first.rows[-1][0] == 4999


@pytest.mark.parametrize("points", [[], [LossPoint("a", 0, 1.0)], [LossPoint("a", 0, 0.0), LossPoint("a", 1, 0.0)]])
def test_no_curve_from_too_little(points: list[LossPoint]):
    assert loss_curves(points) == []


def test_a_flat_loss_is_a_flat_line():
    [curve] = loss_curves([LossPoint("a", step, 0.5) for step in range(3)])
    assert len({pair.split(",")[1] for pair in curve.line.split()}) == 1


def test_values_read_as_people_write_them():
    assert (counted(1, "photo"), counted(1284, "photo"), counted(2, "copy", "copies")) == ("1 photo", "1,284 photos", "2 copies")
    assert (duration(0.2), duration(100), duration(9000)) == ("about 1 second", "about 2 minutes", "about 2 hours")
    at = datetime(2026, 11, 21, 14, 2, 59, tzinfo=UTC)
    assert minute(at) == '<time datetime="2026-11-21T14:02:59+00:00" data-hour>21 November 2026, 14:02 UTC</time>'


def test_times_inside_a_sentence_are_the_pages_own_and_exact_for_machines():
    said = timed(
        "The operator stated on 2026-11-29T02:48:22Z that it is <new>, published 2026-11-29T02:48:22Z, good until 2026-12-29T00:00:00Z."
    )
    at = '<time datetime="2026-11-29T02:48:22+00:00" data-hour>29 November 2026, 02:48 UTC</time>'
    until = '<time datetime="2026-12-29T00:00:00+00:00" data-hour>29 December 2026, 00:00 UTC</time>'
    assert said == f"The operator stated on {at} that it is &lt;new&gt;, published {at}, good until {until}."


@pytest.mark.parametrize("sentence", ["the photo 2026-11-29T02:48:22Z", "stated on 2026-02-31T02:48:22Z", "on 2026-11-29", ""])
def test_a_name_like_a_time_and_a_day_that_is_none_stay_as_they_are(sentence: str):
    assert timed(sentence) == sentence
