"""Recording runs: what is verified at the one door, and what can be proved afterwards."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from demur.runs import AbsenceProof, InclusionProof
from demur.signing import SigningKey, UnknownKey
from models import FailureReason, Outbox, RunState, TrainingRun
from rights import runs
from rights.optouts import Photos
from rights.runs import consumption_proof, queue_run, record_run, recorded_runs
from tests.factories import NOW
from tests.unit.rights.office import Office
from tests.unit.rights.records import SIGNER, write_record


def take_in(office: Office, record: tuple[bytes, Path], **options) -> TrainingRun:
    envelope, consumed = record
    with office.sessions.begin() as session:
        return record_run(session, office.runs, envelope, consumed, keys=[SIGNER.verifier], now=NOW, **options)


def test_a_record_from_elsewhere_is_taken_in_with_its_files(office: Office, tmp_path: Path, catalogue):
    run = take_in(office, write_record(tmp_path / "sent", ["ada-0", "ada-1"], manifest_digest=catalogue.digest))
    assert (run.state, run.name, run.consumed_size, run.list_version) == (RunState.RECORDED, "Run 1", 2, None)
    assert run.dropped == {"uid": 2}
    assert run.manifests[0].manifest_id == office.manifest_id
    assert office.runs.record(run) == (tmp_path / "runs" / run.directory / "run-record.dsse.json").read_bytes()
    assert office.runs.consumed(run, ["ada-0", "ada-2"]).tolist() == [True, False]


def test_the_same_record_again_changes_nothing(office: Office, tmp_path: Path):
    record = write_record(tmp_path / "sent", ["ada-0"])
    assert take_in(office, record).id == take_in(office, record).id
    with pytest.raises(runs.RunAlreadyRecorded):
        take_in(office, write_record(tmp_path / "other", ["ada-1"]))


def test_an_unknown_signer_is_refused(office: Office, tmp_path: Path):
    envelope, consumed = write_record(tmp_path / "sent", ["ada-0"])
    with office.sessions.begin() as session, pytest.raises(UnknownKey):
        record_run(session, office.runs, envelope, consumed, keys=[SigningKey.generate("else").verifier], now=NOW)


def test_other_consumed_samples_are_refused(office: Office, tmp_path: Path):
    envelope, _ = write_record(tmp_path / "sent", ["ada-0"])
    _, other = write_record(tmp_path / "other", ["ada-1"])
    with pytest.raises(runs.ConsumedMismatch):
        take_in(office, (envelope, other))


def test_counts_that_cannot_be_true_are_refused(office: Office, tmp_path: Path, catalogue):
    with pytest.raises(runs.CountsDisagree, match="counts 2 consumed and 2 dropped of 3 rows"):
        take_in(office, write_record(tmp_path / "too-many", ["ada-0", "ada-1"], rows=3))
    with pytest.raises(runs.CountsDisagree, match=f"which has {catalogue.rows}"):
        take_in(office, write_record(tmp_path / "other", ["ada-0"], manifest_digest=catalogue.digest, rows=catalogue.rows + 1))


def test_a_list_version_must_have_been_published_here(office: Office, tmp_path: Path):
    office.file(office.account("ada"), Photos(("ada-1",)))
    version = office.carry()
    assert version is not None
    assert take_in(office, write_record(tmp_path / "sent", ["ada-0"], version=version)).list_version == 1
    version.root = "f" * 64
    with pytest.raises(runs.UnknownListVersion):
        take_in(office, write_record(tmp_path / "forged", ["ada-0"], run_id="r-2", name="Run 2", version=version))


def test_a_run_may_go_without_a_list_only_before_the_first(office: Office, tmp_path: Path):
    office.file(office.account("ada"), Photos(("ada-1",)))
    office.carry()
    earlier = write_record(tmp_path / "earlier", ["ada-1"], started_at=NOW - timedelta(hours=1))
    assert take_in(office, earlier).list_version is None
    later = write_record(tmp_path / "later", ["ada-1"], run_id="r-2", name="Run 2", started_at=NOW + timedelta(hours=1))
    with pytest.raises(runs.ListNotUsed):
        take_in(office, later)


def test_a_queued_run_is_the_one_that_is_recorded(office: Office, tmp_path: Path):
    with office.sessions.begin() as session:
        queued = queue_run(session, "Run 1", "tests", NOW)
        assert session.scalars(select(Outbox)).one().payload == {"run_id": queued.id}
        with pytest.raises(runs.RunNameTaken):
            queue_run(session, "Run 1", "tests", NOW)
    envelope, consumed = write_record(office.runs.directory / queued.directory, ["ada-0"])
    with office.sessions.begin() as session:
        own = session.get_one(TrainingRun, queued.id)
        record_run(session, office.runs, envelope, consumed, keys=[SIGNER.verifier], now=NOW, run=own)
    with office.sessions() as session:
        assert [run.id for run in recorded_runs(session)] == [queued.id]


def test_a_failed_run_is_queued_again_under_its_name(office: Office):
    with office.sessions.begin() as session:
        run = queue_run(session, "Run 1", "tests", NOW)
        first = run.directory
        runs.fail_run(session, run, FailureReason.FAILED, NOW)
    with office.sessions.begin() as session:
        again = queue_run(session, "Run 1", "cpu", NOW)
        assert (again.id, again.state, again.tier, again.failure_reason) == (run.id, RunState.QUEUED, "cpu", None)
        assert again.directory != first
        assert len(session.scalars(select(Outbox)).all()) == 2


def test_use_and_absence_are_proved_to_someone_who_has_only_the_record(office: Office, tmp_path: Path):
    run = take_in(office, write_record(tmp_path / "sent", ["ada-0", "ben-0"]))
    proof = consumption_proof(office.runs, run, "ada-1")
    assert isinstance(proof, AbsenceProof)
    proof.verify(run.consumed_root or "", 2, "r-1", "ada-1")
    used = consumption_proof(office.runs, run, "ada-0")
    assert isinstance(used, InclusionProof)
    used.verify(run.consumed_root or "", 2, "r-1", "ada-0")


def test_nothing_is_proved_of_a_run_without_a_record(office: Office):
    with office.sessions.begin() as session:
        run = queue_run(session, "Run 1", "tests", NOW)
        with pytest.raises(runs.NotRecorded):
            consumption_proof(office.runs, run, "ada-1")
