"""The runs page, and starting the next run in the demonstration."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from models import RunState, TrainingRun
from tests.support.portals import ADA, TestedPortal, portal_for_tests


@pytest.fixture
def demonstration(tmp_path: Path, database_url: str, member_catalogues: Path) -> Iterator[TestedPortal]:
    with portal_for_tests(tmp_path, database_url, member_catalogues, demo=True, train_tier="tests") as portal:
        yield portal


def queued(portal: TestedPortal) -> list[tuple[str, RunState]]:
    with portal.workplace.reading() as session:
        return [(run.name, run.state) for run in session.scalars(select(TrainingRun).order_by(TrainingRun.id))]


def test_a_member_of_the_demonstration_starts_the_next_run(demonstration: TestedPortal):
    demonstration.record_run("Run 1", ["ada-0"])
    ada = demonstration.member(ADA)
    assert "Train the next run" in ada.get("/runs").text
    assert ada.post("/runs").status_code == 303
    assert queued(demonstration) == [("Run 1", RunState.RECORDED), ("Run 2", RunState.QUEUED)]
    assert "Train the next run" not in ada.get("/runs").text, "one at a time"


def test_strangers_sign_in_first(demonstration: TestedPortal):
    stranger = demonstration.visitor()
    stranger.get("/runs")
    asked = stranger.post("/runs")
    assert asked.status_code == 401
    assert "<h1>Please sign in first</h1>" in asked.text
    assert 'href="/auth/sign-in?next=' in asked.text
    assert stranger.get("/photos").location.endswith("/auth/sign-in?next=/photos")
    assert queued(demonstration) == []


def test_elsewhere_only_the_operator_starts_runs(portal: TestedPortal):
    ada = portal.member(ADA)
    ada.get("/account")
    assert ada.post("/runs").status_code == 404
    assert "Train the next run" not in ada.get("/runs").text
    assert queued(portal) == []
