"""What a member sees of their photos: four facts, never merged."""

from datetime import timedelta
from pathlib import Path

import pytest

from models import TrainingRun
from rights.history import EventKind, photo_history
from rights.optouts import Everything, Photos
from rights.photo import Photo, PhotoFilter, PhotoNotFound, PhotoStatus
from rights.photos import get_photo, get_photos, list_photos, matching_uids, photos_among
from rights.runs import record_run
from rights.withdrawals import withdraw_photo
from tests.factories import NOW
from tests.unit.rights.office import Office
from tests.unit.rights.records import SIGNER, write_record

LATER = NOW + timedelta(hours=1)


def record(office: Office, folder: Path, name: str, uids: list[str], version=None, started_at=NOW) -> TrainingRun:
    envelope, consumed = write_record(folder, uids, run_id=name, name=name, version=version, started_at=started_at)
    with office.sessions.begin() as session:
        return record_run(session, office.runs, envelope, consumed, keys=[SIGNER.verifier], now=started_at)


def photo(office: Office, uid: str, *owners: str) -> Photo:
    with office.sessions() as session:
        return get_photo(session, office.catalogues, office.runs, owners or ("ada",), uid)


def matching(office: Office, *owners: str, **wanted) -> list[str]:
    with office.sessions() as session:
        return matching_uids(session, office.catalogues, office.runs, owners or ("ada",), PhotoFilter(**wanted))


def test_all_of_ones_public_photos_newest_first(office: Office):
    with office.sessions() as session:
        page = list_photos(session, office.catalogues, office.runs, ("ada",), PhotoFilter(), page=1, per_page=4)
    assert [one.uid for one in page.photos] == ["ada-5", "ada-4", "ada-3", "ada-2"]
    assert (page.total, page.pages, page.total_unfiltered) == (6, 2, 6)
    assert [choice.name for choice in page.manifests] == ["generated"]
    first = page.photos[0]
    assert (first.width, first.height, first.url) == (320, 240, "https://photos.example/ada-5")
    assert "posted by ada" in first.caption
    assert first.posted_at is not None
    assert first.posted_at.tzinfo is not None
    assert first.manifests[0].name == "generated"


def test_a_page_beyond_the_last_is_the_last(office: Office):
    with office.sessions() as session:
        page = list_photos(session, office.catalogues, office.runs, ("ada",), PhotoFilter(), page=99, per_page=4)
        nobody = list_photos(session, office.catalogues, office.runs, ("nobody",), PhotoFilter(), page=2)
    assert (page.page, len(page.photos)) == (2, 2)
    assert (nobody.page, nobody.pages, nobody.total) == (1, 1, 0)


def test_of_uids_that_may_be_gone_or_somebody_elses_ones_own_are_shown_in_their_order(office: Office):
    asked = ["ada-3", "ben-1", "gone", "ada-1", "ada-3"]
    with office.sessions() as session:
        shown = photos_among(session, office.catalogues, office.runs, ("ada",), asked)
        assert shown == get_photos(session, office.catalogues, office.runs, ("ada",), ["ada-3", "ada-1"])
        assert photos_among(session, office.catalogues, office.runs, ("ada",), ["ben-1"]) == []


def test_the_four_facts(office: Office, tmp_path: Path):
    record(office, tmp_path / "1", "Run 1", ["ada-0", "ada-1"])
    assert [run.name for run in photo(office, "ada-1").runs] == ["Run 1"]
    office.file(office.account("ada"), Photos(("ada-1",)), LATER)
    filed = photo(office, "ada-1")
    assert filed.opt_out is not None
    assert (filed.listed_since, filed.can_put_back, filed.can_opt_out) == (None, True, False)
    version = office.carry(LATER)
    record(office, tmp_path / "2", "Run 2", ["ada-0"], version, LATER)
    listed = photo(office, "ada-1")
    assert listed.listed_since == 1
    assert [run.name for run in listed.absent_from] == ["Run 2"]
    assert [run.name for run in listed.runs] == ["Run 1"], "it still contains the photo"
    untouched = photo(office, "ada-2")
    assert untouched.absent_from == (), "a run that never had it proves nothing about an opt-out"


def test_the_history_is_dated_and_in_order(office: Office, tmp_path: Path):
    ada = office.account("ada")
    record(office, tmp_path / "1", "Run 1", ["ada-0"])
    office.file(ada, Photos(("ada-0",)), LATER)
    version = office.carry(LATER)
    record(office, tmp_path / "2", "Run 2", ["ada-2"], version, LATER)
    with office.sessions.begin() as session:
        before = photo_history(session, photo(office, "ada-0"), ada)
        withdraw_photo(session, ada, "ada-0", LATER + timedelta(hours=1))
    office.carry(LATER + timedelta(hours=1))
    with office.sessions() as session:
        after = photo_history(session, photo(office, "ada-0"), ada)
    K = EventKind  # noqa: N806
    assert [event.kind for event in before] == [K.POSTED, K.REGISTERED, K.TRAINED, K.FILED, K.LISTED, K.ABSENT]
    assert [event.kind for event in after] == [K.POSTED, K.REGISTERED, K.TRAINED, K.FILED, K.LISTED, K.ABSENT, K.ENDED, K.UNLISTED]
    listed = before[4]
    assert (listed.version, listed.copies >= 3) == (1, True)


def test_a_copy_of_what_somebody_else_opted_out_says_so(office: Office):
    office.file(office.account("ada"), Photos(("ada-0",)))
    office.carry()
    ben, copy = office.account("ben"), photo(office, "ben-exact", "ben")
    assert (copy.opt_out, copy.copy_excluded_since, copy.listed_since, copy.can_opt_out) == (None, 1, 1, True)
    with office.sessions() as session:
        assert EventKind.COPY_LISTED in [event.kind for event in photo_history(session, copy, ben)]


def test_a_copy_of_ones_own_opted_out_photo_is_out_through_it(office: Office):
    office.file(office.account("ben"), Photos(("ben-exact",)))
    office.carry()
    copy = photo(office, "ben-recompressed", "ben")
    assert copy.opt_out is not None
    assert (copy.opt_out.through, copy.listed_since, copy.can_put_back, copy.can_opt_out) == ("ben-exact", 1, False, True)


def test_everything_is_said_of_every_photo(office: Office):
    ada = office.account("ada")
    office.file(ada, Photos(("ada-1",)))
    office.carry()
    office.file(ada, Everything(), LATER)
    one = photo(office, "ada-1")
    assert one.opt_out is not None
    assert (one.opt_out.scope, one.listed_since, one.can_put_back, one.under_everything) == ("owner", 1, True, True)
    assert photo(office, "ada-2").opt_out is not None


@pytest.mark.parametrize("uid", ["ben-0", "nowhere"])
def test_someone_elses_photo_is_not_found(office: Office, uid: str):
    with pytest.raises(PhotoNotFound):
        photo(office, uid)


def test_photos_come_in_the_order_asked(office: Office):
    with office.sessions() as session:
        got = get_photos(session, office.catalogues, office.runs, ("ada", "ben"), ["ben-1", "ada-3", "ben-0"])
    assert [one.uid for one in got] == ["ben-1", "ada-3", "ben-0"]


def test_filters(office: Office, tmp_path: Path):
    run = record(office, tmp_path / "1", "Run 1", ["ada-0", "ada-1"])
    ada = office.account("ada")
    office.file(ada, Photos(("ada-1", "ada-2")), LATER)
    version = office.carry(LATER)
    record(office, tmp_path / "2", "Run 2", ["ada-0"], version, LATER)
    office.file(ada, Photos(("ada-3",)), LATER)
    S = PhotoStatus  # noqa: N806
    assert matching(office, run=run.public_id) == ["ada-1", "ada-0"]
    assert matching(office, status=S.IN_RUN) == ["ada-1", "ada-0"]
    assert matching(office, status=S.OPTED_OUT) == ["ada-3", "ada-2", "ada-1"]
    assert matching(office, status=S.NOT_OPTED_OUT) == ["ada-5", "ada-4", "ada-0"]
    assert matching(office, status=S.FILED) == ["ada-3"]
    assert matching(office, status=S.LISTED) == ["ada-2", "ada-1"]
    assert matching(office, status=S.ABSENT) == ["ada-2", "ada-1"]
    assert matching(office, text="NUMBER 4") == ["ada-4"]
    assert matching(office, manifest="another") == []
    assert set(matching(office, year=2024)) | set(matching(office, year=2025)) >= {"ada-0", "ada-5"}
    assert matching(office, year=1999) == []
    assert matching(office, "ada", "cleo", text="cleo", status=S.ANY)[:1] != []
