"""An opt-out that is filed while a run trains never reads as a broken promise: what a run read when it began comes first."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from jobs.train_run import ListWatch
from models import Outbox, RunState, TrainingRun
from rhea.folder import open_folder
from rights.artefacts import ListRead
from rights.list_versions import newest_version
from rights.platform_events import Event, EventKind, receive_event
from rights.runs import TRAIN_RUN, begin_run, note_list, queue_run
from tests.functional.test_opt_out_pages import follow
from tests.support.portals import ADA, BEN, TestedPortal, Visitor, now


@pytest.fixture
def ada(portal: TestedPortal) -> Visitor:
    visitor = portal.member(ADA)
    visitor.get("/photos")
    return visitor


def begin(portal: TestedPortal, name: str = "Run 2") -> TrainingRun:
    """The run begins, and has read the list."""
    run = start(portal, name)
    read_list(portal, run)
    return run


def start(portal: TestedPortal, name: str = "Run 2") -> TrainingRun:
    with portal.workplace.writing.begin() as session:
        run = queue_run(session, name, "tests", now())
        begin_run(session, run, now())
        session.execute(delete(Outbox).where(Outbox.topic == TRAIN_RUN))  # a trainer elsewhere has it
    return run


def read_list(portal: TestedPortal, run: TrainingRun) -> None:
    with portal.workplace.writing.begin() as session:
        newest = newest_version(session)
        used = ListRead(newest.version, newest.root) if newest else ListRead(None, None)
        note_list(session, session.get_one(TrainingRun, run.id), used, now())


def begin_again(portal: TestedPortal, run: TrainingRun) -> None:
    """Another worker takes the run over."""
    with portal.workplace.writing.begin() as session:
        begin_run(session, session.get_one(TrainingRun, run.id), now())


def end_as_listed(portal: TestedPortal, run: TrainingRun, uids: list[str]) -> None:
    """The run ends: recorded as one that used these photos, under the list that it read."""
    with portal.workplace.writing.begin() as session:
        run = session.get_one(TrainingRun, run.id)
        obeyed = {"started_at": run.started_at, "list_version": run.list_version, "list_root": run.list_root}
        session.delete(run)
    recorded = portal.record_run(run.name, uids)
    with portal.workplace.writing.begin() as session:
        session.execute(update(TrainingRun).where(TrainingRun.id == recorded.id).values(obeyed))


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


def test_of_two_runs_the_grid_names_the_one_that_trains_on_the_photo(ada: Visitor, portal: TestedPortal):
    ada.post("/opt-outs", {"uid": "ada-1"})
    portal.settle()
    begin(portal)
    ada.get("/photos/ada-1")
    ada.post("/photos/ada-1/put-back")
    portal.settle()
    third = start(portal, "Run 3")
    frame = frame_of(ada, "ada-1")
    assert ("Run 3 is starting" in frame, "in training without it" in frame) == (True, False)
    read_list(portal, third)
    start(portal, "Run 4")
    frame = frame_of(ada, "ada-1")
    assert ("Run 3 is training on it now" in frame, "Run 2" in frame) == (True, False)


def frame_of(visitor: Visitor, uid: str) -> str:
    """A photo's part of the grid."""
    [frame] = [one for one in visitor.get("/photos").text.split('<li class="frame')[1:] if f'value="{uid}"' in one]
    return frame.split("</div>")[0]


def test_who_files_during_a_run_is_told_which_one_began_before(ada: Visitor, portal: TestedPortal):
    begin(portal)
    check = ada.post("/opt-outs/check", {"uid": "ada-1"}).text
    assert "Run 2 is in training now and has read the exclusion list already.</b>" in check
    assert "It will contain what is in its training lists, this photo too." in check
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


def put_back_while_run_3_trains(ada: Visitor, portal: TestedPortal) -> tuple[TrainingRun, str]:
    """ada-1 and ada-2 are in version 1, which Run 3 obeys; ada-1 is put back while it trains. Returns the run, the request's address."""
    address = ada.post("/opt-outs", {"uid": ["ada-1", "ada-2"]}).location
    portal.settle()
    run = begin(portal, "Run 3")
    ada.get("/photos/ada-1")
    ada.post("/photos/ada-1/put-back")
    portal.settle()
    return run, address


def test_a_photo_put_back_during_a_run_that_obeys_the_list_before_is_left_out_by_it(ada: Visitor, portal: TestedPortal):
    run, address = put_back_while_run_3_trains(ada, portal)
    page = ada.get("/photos/ada-1").text
    assert "is training on it now" not in page
    assert ada.get("/photos").text.count("Run 3 is in training without it") == 1, "ada-2 is crossed out, which says it"
    assert "Run 3</a> is in training without it.</b>" in page
    assert "of the list, which names this photo, so it must leave it out." in page
    assert "Run 3</a> is in training without them.</b>" in ada.get(address).text
    end_as_listed(portal, run, ["ada-0"])
    page = ada.get("/photos/ada-1").text
    assert "Run 3</a>, which had to leave it out." in page
    assert page.index("Run 3</a> did not use it.</b>") < page.index("You put it back.")
    row = ada.get("/evidence").text.split("Run 3</a>", 2)[1].split("</tr>")[0]
    assert [cell.split("<")[0] for cell in row.split('class="num">')[1:]] == ["1", "2", "3"], "used, left out, not used"
    story = ada.get(address).text
    assert "Run 3</a> did not use them.</b>" in story
    assert "1 of 2 put back by you." in story


def test_a_run_that_began_after_a_photo_was_put_back_is_no_part_of_the_requests_story(ada: Visitor, portal: TestedPortal):
    _, address = put_back_while_run_3_trains(ada, portal)
    portal.record_run("Run 4", ["ada-0", "ada-1"])
    story = ada.get(address).text
    assert "Run 4</a> did not use them.</b>" in story
    assert "although the list it obeyed named it" not in ada.get("/photos/ada-1").text


def deny(portal: TestedPortal, page: str) -> str:
    reference = page.split('class="ref">')[1].split("<")[0]
    result = portal.run("opt-outs", "deny", reference, "--reason", "suspected_fraud")
    assert result.exit_code == 0, result.output
    portal.settle()
    return reference


def test_a_photo_whose_opt_out_the_operator_ended_says_so_and_stays_left_out_by_the_run_before(ada: Visitor, portal: TestedPortal):
    address = ada.post("/opt-outs", {"uid": "ada-1"}).location
    portal.settle()
    run = begin(portal, "Run 3")
    reference = deny(portal, ada.get(address).text)
    page = ada.get("/photos/ada-1").text
    assert f"The operator ended its opt-out ({reference}): it looks like fraud." in page
    assert "You put it back." not in page
    assert "Run 3</a> is in training without it.</b>" in page
    end_as_listed(portal, run, ["ada-0"])
    page = ada.get("/photos/ada-1").text
    assert page.index("Run 3</a> did not use it.</b>") < page.index("The operator ended its opt-out")
    story = ada.get(address).text
    assert story.index("Run 3</a> did not use it.</b>") < story.index("Ended by the operator: it looks like fraud.")


def test_a_copy_that_its_owner_contested_stays_left_out_by_the_run_before(ada: Visitor, portal: TestedPortal):
    ada.post("/opt-outs", {"uid": "ada-0"})
    portal.settle()
    run = begin(portal, "Run 3")
    ben = portal.member(BEN)
    assert "someone else opted out a picture that looks the same" in ben.get("/photos/ben-exact").text
    ben.post("/photos/ben-exact/contest")
    portal.settle()
    page = ben.get("/photos/ben-exact").text
    assert "Run 3</a> is in training without it.</b>" in page
    assert page.index("someone else opted out a picture") < page.index("No longer in the exclusion list since version")
    assert "That one is mine: put it back" not in page
    end_as_listed(portal, run, ["ada-1"])
    assert "Run 3</a> did not use it.</b>" in ben.get("/photos/ben-exact").text


def test_between_its_start_and_its_reading_of_the_list_a_run_may_still_leave_a_photo_out(ada: Visitor, portal: TestedPortal):
    run = start(portal, "Run 3")
    check = ada.post("/opt-outs/check", {"uid": "ada-1"}).text
    assert "Run 3 is starting, and has not read the exclusion list yet.</b> It may still leave this photo out" in check
    address = ada.post("/opt-outs", {"uid": "ada-1"}).location
    portal.settle()
    pages = ada.get(address).text + ada.get("/photos/ada-1").text
    assert "It has not read the exclusion list yet, so it may still leave it out." in pages
    assert "It has not read the exclusion list yet, so it may still leave this photo out." in pages
    assert "will contain" not in pages
    assert "Run 3 is starting" in ada.get("/photos").text
    assert "This run is starting, and has not read the exclusion list yet." in ada.get(f"/runs/{run.public_id}").text
    read_list(portal, run)
    pages = ada.get(address).text + ada.get("/photos/ada-1").text
    assert "Run 3</a> is in training without it.</b>" in pages
    assert "will contain" not in pages
    assert "Run 3" not in ada.post("/opt-outs/check", {"uid": "ada-1"}).text, "it obeys a list that names the photo"


def test_a_run_that_began_again_says_so_and_is_judged_by_its_new_reading(ada: Visitor, portal: TestedPortal):
    run = begin(portal, "Run 3")
    address = ada.post("/opt-outs", {"uid": "ada-1"}).location
    portal.settle()
    assert "Run 3</a> is in training now and began before it was in the list.</b>" in ada.get(address).text
    begin_again(portal, run)
    assert "was interrupted, and began again then. It has not read the exclusion list yet" in ada.get(address).text
    read_list(portal, run)
    story, page = ada.get(address).text, ada.get("/photos/ada-1").text
    assert "Run 3</a> is in training without it.</b> It began first" in story
    assert "Run 3</a> is in training without it.</b> It began first" in page
    assert "was interrupted, and began again" in story
    page = ada.get(f"/runs/{run.public_id}").text
    assert "This run is in training, and obeys version " in page
    assert "was interrupted, and began again" in page
    assert "In training now, under version " in ada.get("/runs").text


def test_the_runs_of_a_request_stand_where_they_began(ada: Visitor, portal: TestedPortal):
    run = begin(portal)
    with portal.workplace.writing.begin() as session:
        session.execute(update(TrainingRun).where(TrainingRun.id == run.id).values(started_at=now() - timedelta(minutes=5)))
    story = ada.get(ada.post("/opt-outs", {"uid": ["ada-1", "ada-2"]}).location).text
    assert story.index("Run 2</a> is in training now and began before they were in the list.</b>") < story.index("<b>Filed.</b>")


def test_a_photo_that_stays_out_by_its_own_opt_out_says_so_when_everything_else_is_withdrawn(ada: Visitor, portal: TestedPortal):
    everything = ada.post("/opt-outs", {"everything": "1"}).location
    portal.settle()
    ada.get("/photos/ada-1")
    ada.post("/photos/ada-1/put-back")
    portal.settle()
    alone = ada.post("/opt-outs", {"uid": "ada-1"}).location
    portal.settle()
    story = ada.get(everything).text
    assert "1 photo put back</a>" in story
    assert "Opt-out withdrawn" not in story
    assert "but for 1 put back" in ada.get("/requests").text
    ada.get(everything)
    ada.post(f"{everything}/withdraw")
    portal.settle()
    references = [ada.get(address).text.split('class="ref">')[1].split("<")[0] for address in (everything, alone)]
    page = ada.get("/photos/ada-1").text
    assert f"You withdrew the opt-out of everything ({references[0]}). This photo stays out by {references[1]}." in page
    assert "You put it back." not in page
    assert "Opt-out withdrawn</a>" in ada.get(everything).text


def test_a_part_that_the_operator_ended_is_not_said_to_be_put_back(ada: Visitor, portal: TestedPortal):
    address = ada.post("/opt-outs", {"uid": ["ada-1", "ada-2"]}).location
    portal.settle()
    ada.get("/photos/ada-1")
    ada.post("/photos/ada-1/put-back")
    portal.settle()
    assert "1 of 2 put back" in ada.get("/requests").text
    assert "1 photo put back</a>" in ada.get(address).text
    deny(portal, ada.get(address).text)
    page = ada.get("/photos/ada-1").text
    assert "You put it back." in page
    assert "The operator ended" not in page
    assert "The operator ended its opt-out" in ada.get("/photos/ada-2").text


def test_which_list_a_trainer_read_is_written_down_as_soon_as_it_says_so(ada: Visitor, portal: TestedPortal):
    run = start(portal, "Run 3")
    watch = ListWatch(portal.workplace, run)
    watch.look()
    assert "Run 3</a> is starting." in ada.get("/photos/ada-1").text
    open_folder(portal.workplace.runs.path(run), None)
    watch.look()
    assert "Run 3</a> is training on it now." in ada.get("/photos/ada-1").text


def test_what_the_platform_ended_is_not_said_to_be_put_back_by_the_person(ada: Visitor, portal: TestedPortal):
    for number, kind in enumerate((EventKind.PHOTO_MADE_PRIVATE, EventKind.PHOTO_MADE_PUBLIC)):
        at = now() - timedelta(days=2 - number)
        with portal.workplace.writing.begin() as session:
            receive_event(session, Event(str(number), kind, ADA, "ada-1", at), now())
        portal.settle()
    page = ada.get("/photos/ada-1").text
    assert "You made it private on the platform, so we opted it out automatically." in page
    assert "You made it public again on the platform, so that opt-out ended." in page
    assert "put it back" not in page


def test_what_another_account_did_is_not_said_to_be_done_by_the_person(ada: Visitor, portal: TestedPortal):
    ada.link(ADA, BEN)
    ada.get("/photos")
    address = ada.post("/opt-outs", {"uid": ["ben-0"]}).location
    portal.settle()
    ada.get("/account/link")
    ada.sign_in(ADA, "/account/confirm")
    identity = ada.get("/account/link").text.split("/unlink")[0].rsplit("/", 1)[1]
    ada.post(f"/account/identities/{identity}/unlink")
    ben = portal.member(BEN)
    page = ben.get("/photos/ben-0").text
    assert "It was opted out from another account, which this sign-in belonged to then." in page
    assert "You opted" not in page
    ben.post("/photos/ben-0/put-back")
    portal.settle()
    assert "You put it back." in ben.get("/photos/ben-0").text
    assert "Withdrawn from another account" in ada.get(address).text
