"""An opt-out that is filed while a run trains never reads as a broken promise: what a run read when it began comes first."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from models import Outbox, RunState, TrainingRun
from rights.runs import TRAIN_RUN, begin_run, queue_run
from tests.functional.test_opt_out_pages import follow
from tests.support.portals import ADA, TestedPortal, Visitor, now


@pytest.fixture
def ada(portal: TestedPortal) -> Visitor:
    visitor = portal.member(ADA)
    visitor.get("/photos")
    return visitor


def begin(portal: TestedPortal, name: str = "Run 2") -> TrainingRun:
    with portal.workplace.writing.begin() as session:
        run = queue_run(session, name, "tests", now())
        begin_run(session, run, now())
        session.execute(delete(Outbox).where(Outbox.topic == TRAIN_RUN))  # a trainer elsewhere has it
    return run


def end(portal: TestedPortal, run: TrainingRun, uids: list[str]) -> None:
    """The run ends: recorded as one that began when it did, under no list, and used these photos."""
    with portal.workplace.writing.begin() as session:
        session.delete(session.get_one(TrainingRun, run.id))
    recorded = portal.record_run(run.name, uids)
    with portal.workplace.writing.begin() as session:
        began = {"started_at": run.started_at, "list_version": None, "list_root": None, "finished_at": now() + timedelta(minutes=1)}
        session.execute(update(TrainingRun).where(TrainingRun.id == recorded.id).values(began))


def test_a_photo_that_a_run_is_training_on_says_so(ada: Visitor, portal: TestedPortal):
    begin(portal)
    assert "Run 2 is training on it now" in ada.get("/photos").text
    page = ada.get("/photos/ada-1").text
    assert "Run 2</a> is training on it now." in page
    assert "No training run used it yet" not in page


def test_who_files_during_a_run_is_told_which_one_began_before(ada: Visitor, portal: TestedPortal):
    begin(portal)
    check = ada.post("/opt-outs/check", {"uid": "ada-1"}).text
    assert "Run 2 is in training now and began before.</b> It will contain what is in its training lists, this photo too." in check
    ada.post("/opt-outs", {"uid": "ada-1"})
    address = ada.get("/requests").text.split('class="mono" href="')[1].split('"')[0]
    for _ in range(2):
        page = ada.get(address).text
        assert "Run 2</a> is in training now and began before it was in the list.</b>" in page
        assert "The next training run that begins must leave it out." in page
        assert page.index("Run 2</a> is in training now") < page.index("<b>Filed.</b>"), "it began before"
        portal.settle()
    history = ada.get("/photos/ada-1").text
    assert history.index("Run 2</a> is training on it now.") < history.index("You opted it out.") < history.index("</a> since version 1.")


def test_the_history_has_the_run_before_the_opt_out_that_came_while_it_trained(ada: Visitor, portal: TestedPortal):
    run = begin(portal)
    address = ada.post("/opt-outs", {"uid": "ada-1"}).location
    portal.settle()
    end(portal, run, ["ada-1", "ada-2"])
    history = ada.get("/photos/ada-1").text
    assert history.index("Run 2</a> trained on it.") < history.index("You opted it out.") < history.index("</a> since version 1.")
    assert "although the list it obeyed named it" not in history
    page = ada.get(address).text
    assert "Run 2</a> began before it was in the list, and contains 1 photo.</b>" in page
    assert page.index("Run 2</a> began before") < page.index("<b>Filed.</b>") < page.index("</a> since version 1.")
    assert "The next training run that begins must leave it out." in page


def test_a_run_that_began_after_the_photo_was_listed_is_not_training_on_it(ada: Visitor, portal: TestedPortal):
    ada.post("/opt-outs", {"uid": "ada-1"})
    portal.settle()
    begin(portal)
    assert "is training on it now" not in ada.get("/photos/ada-1").text
    assert "Run 2</a> is training on it now." in ada.get("/photos/ada-2").text


def test_a_request_of_which_a_photo_was_put_back_says_so_and_finishes(ada: Visitor, portal: TestedPortal):
    address = ada.post("/opt-outs", {"uid": ["ada-1", "ada-2", "ada-3"]}).location
    portal.settle()
    ada.get("/photos/ada-2")
    follow(ada, ada.post("/photos/ada-2/put-back"))
    portal.settle()
    portal.record_run("Run 3", ["ada-2", "ben-0"])
    page = ada.get(address).text
    assert "1 of 3 put back by you." in page
    assert "Run 3</a> did not use them." in page
    assert page.index("</a> since version 1.") < page.index("1 of 3 put back by you.") < page.index("Run 3</a> did not use them.")
    assert "The next training run" not in page


def test_a_photo_put_back_keeps_the_reference_and_the_receipts_of_its_opt_out(ada: Visitor, portal: TestedPortal):
    address = ada.post("/opt-outs", {"uid": "ada-2"}).location
    portal.settle()
    ada.get("/photos/ada-2")
    ada.post("/photos/ada-2/put-back")
    portal.settle()
    page = ada.get("/photos/ada-2").text
    assert "You put it back." in page
    assert f'{address}#receipts">receipts</a>' in page


def test_a_run_page_says_when_it_began_and_which_list_was_there_then(ada: Visitor, portal: TestedPortal):
    run = begin(portal, "Run 1")
    ada.post("/opt-outs", {"uid": "ada-1"})
    portal.settle()
    end(portal, run, ["ada-1"])
    with portal.workplace.reading() as session:
        public_id = session.query(TrainingRun).filter_by(name="Run 1", state=RunState.RECORDED).one().public_id
    assert "When it began, no exclusion list was published." in ada.get(f"/runs/{public_id}").text
