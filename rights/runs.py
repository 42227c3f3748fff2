"""Training runs: queued for the bundled model, and recorded from anyone's signed run record by one door."""

import hashlib
import shutil
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from demur.errors import DemurError
from demur.files import atomic_directory
from demur.receipts.statement import run_recorded
from demur.runs import AbsenceProof, ConsumedTree, InclusionProof, RunRecord
from demur.signing import VerifyKey
from models import ExclusionListVersion, FailureReason, Manifest, ManifestState, RunState, TrainingRun, TrainingRunManifest, new_public_id
from rights import audit, log, outbox
from rights.artefacts import CONSUMED_FILE, RECORD_FILE, ListRead, RunArtefacts

TRAIN_RUN = "train_run"


FAILURES = {
    FailureReason.NO_MANIFEST: "There was no registered manifest to train on.",
    FailureReason.REFUSED: "The trainer refused its exclusion list, its data or a setting.",
    FailureReason.INTERRUPTED: "It was interrupted too often.",
    FailureReason.FAILED: "The trainer failed.",
    FailureReason.RECORD_REFUSED: "Its record did not pass the checks.",
}


class RunNameTaken(DemurError):
    """A run of this name exists."""


class RunRefused(DemurError):
    """A run record contradicts what is known here. Base of the errors below."""


class ConsumedMismatch(RunRefused):
    """The consumed samples are not those that the record names."""


class CountsDisagree(RunRefused):
    """The record's numbers contradict each other, or those of a manifest that is registered here."""


class UnknownListVersion(RunRefused):
    """The record names an exclusion list version that was not published here."""


class ListNotUsed(RunRefused):
    """The run used no exclusion list although one was published before it started."""


class RunAlreadyRecorded(RunRefused):
    """Another record of this run is here already."""


class NotRecorded(DemurError):
    """The run has no record yet, so nothing can be proved about it."""


def queue_run(session: Session, name: str, tier: str, now: datetime) -> TrainingRun:
    """Promises a run of the bundled model over all registered manifests; one that failed is tried again. Raises RunNameTaken."""
    run = session.scalar(select(TrainingRun).where(TrainingRun.name == name, TrainingRun.state == RunState.FAILED).with_for_update())
    if run is None:
        _refuse_taken(session, name)
        run = TrainingRun(public_id=new_public_id(), name=name)
        session.add(run)
    run.state, run.tier, run.queued_at, run.failure_reason = RunState.QUEUED, tier, now, None
    run.first_started_at = None
    run.directory = new_public_id()  # a new one at each try: what a failed try left is not taken for this one's
    session.flush()
    audit.record(session, audit.OPERATOR, "run.queued", run.public_id, {"tier": tier}, now)
    outbox.add(session, TRAIN_RUN, {"run_id": run.id}, now)
    return run


def begin_run(session: Session, run: TrainingRun, now: datetime) -> None:
    """The run's process is starting, perhaps again after an interruption. Which list it obeys is known when it has read one."""
    if run.state is RunState.TRAINING:
        run.first_started_at = run.first_started_at or run.started_at
    run.state = RunState.TRAINING
    run.started_at = now
    run.list_version, run.list_root, run.list_read_at = None, None, None
    run.failure_reason = None
    audit.record(session, audit.SYSTEM, "run.started", run.public_id, {}, now)


def note_list(session: Session, run: TrainingRun, used: ListRead, now: datetime) -> None:
    """The run's process has read the list: from now on pages say what it leaves out. Its record will say it again, signed."""
    run.list_version, run.list_root, run.list_read_at = used.version, used.root, now
    audit.record(session, audit.SYSTEM, "run.list_read", run.public_id, {"version": used.version}, now)


def fail_run(session: Session, run: TrainingRun, reason: FailureReason, now: datetime) -> None:
    """The run came to an end that trying again would not change."""
    run.state = RunState.FAILED
    run.finished_at = now
    run.failure_reason = reason
    audit.record(session, audit.SYSTEM, "run.failed", run.public_id, {"reason": reason.value}, now)


def recorded_runs(session: Session) -> Sequence[TrainingRun]:
    """Every run with a verified record, in the order of recording."""
    recorded = select(TrainingRun).where(TrainingRun.state == RunState.RECORDED)
    return session.scalars(recorded.order_by(TrainingRun.recorded_at, TrainingRun.id)).all()


def record_run(
    session: Session,
    artefacts: RunArtefacts,
    envelope: bytes,
    consumed: Path,
    *,
    keys: Collection[VerifyKey],
    now: datetime,
    run: TrainingRun | None = None,
) -> TrainingRun:
    """Verifies a run record with its consumed samples and takes it in; the same record again changes nothing.

    ``run`` is the queued run that it belongs to, whose directory holds the files already; a run trained elsewhere gets a directory,
    written whole before the caller commits, so that a crash in between leaves only files that no row names.

    Raises the errors of RunRecord.parse and ConsumedTree.open, RunRefused, RunNameTaken, OSError.
    """
    record = RunRecord.parse(envelope, keys)
    digest = hashlib.sha256(envelope).hexdigest()
    known = session.scalar(select(TrainingRun).where(TrainingRun.run_id == record.run_id))
    if known is not None:
        if known.record_digest != digest:
            raise RunAlreadyRecorded(f"the run {record.run_id} is recorded already, with another record")
        return known
    _check_counts(session, record)
    _check_consumed(record, consumed)
    _check_list(session, record)
    if run is None:
        run = _foreign_run(session, artefacts, record, envelope, consumed, now)
    _take_in(session, run, record, digest, now)
    return run


def consumption_proof(artefacts: RunArtefacts, run: TrainingRun, uid: str) -> InclusionProof | AbsenceProof:
    """The proof that a recorded run consumed a sample, or that it did not. Raises NotRecorded."""
    if run.state is not RunState.RECORDED:
        raise NotRecorded(f"{run.name} has no verified record yet")
    return artefacts.consumed_tree(run).proof(uid)


def _refuse_taken(session: Session, name: str) -> None:
    if session.scalar(select(TrainingRun.id).where(TrainingRun.name == name)) is not None:
        raise RunNameTaken(f"there is a run named {name} already")


def _check_counts(session: Session, record: RunRecord) -> None:
    """A record that names no manifest is of data that are not known here, and leaves nothing to compare."""
    rows, dropped = sum(manifest.rows for manifest in record.manifests), sum(record.dropped.values())
    if record.manifests and record.consumed.size + dropped > rows:
        raise CountsDisagree(f"{record.name} counts {record.consumed.size} consumed and {dropped} dropped of {rows} rows")
    known = select(Manifest.digest, Manifest.rows).where(Manifest.digest.in_([manifest.digest for manifest in record.manifests]))
    registered = dict(session.execute(known).all())
    for manifest in record.manifests:
        if registered.get(manifest.digest, manifest.rows) != manifest.rows:
            raise CountsDisagree(f"{record.name} counts {manifest.rows} rows in {manifest.name}, which has {registered[manifest.digest]}")


def _check_consumed(record: RunRecord, consumed: Path) -> None:
    tree = ConsumedTree.open(consumed)
    tree.check()
    if (tree.run_id, tree.root, tree.size) != (record.run_id, record.consumed.root, record.consumed.size):
        raise ConsumedMismatch("the consumed samples are not those that the run record names")


def _check_list(session: Session, record: RunRecord) -> None:
    used = record.exclusion_list
    if used is None:
        earlier = select(ExclusionListVersion.version).where(ExclusionListVersion.published_at <= record.started_at).limit(1)
        if session.scalar(earlier) is not None:
            raise ListNotUsed(f"{record.name} used no exclusion list, although one was published before it started")
        return
    version = session.get(ExclusionListVersion, used.version)
    if version is None or version.root != used.root:
        raise UnknownListVersion(
            f"{record.name} names version {used.version} of the exclusion list, which was not published here like that"
        )


def _foreign_run(
    session: Session, artefacts: RunArtefacts, record: RunRecord, envelope: bytes, consumed: Path, now: datetime
) -> TrainingRun:
    _refuse_taken(session, record.name)
    public_id = new_public_id()
    with atomic_directory(artefacts.directory / public_id) as scratch:
        shutil.copyfile(consumed, scratch / CONSUMED_FILE)
        (scratch / RECORD_FILE).write_bytes(envelope)
    run = TrainingRun(public_id=public_id, name=record.name, state=RunState.QUEUED, directory=public_id, queued_at=now)
    session.add(run)
    return run


def _take_in(session: Session, run: TrainingRun, record: RunRecord, digest: str, now: datetime) -> None:
    run.state = RunState.RECORDED
    run.tier = record.tier
    run.failure_reason = None
    run.run_id = record.run_id
    run.started_at = record.started_at
    run.finished_at = record.finished_at
    run.recorded_at = now
    run.list_version = record.exclusion_list.version if record.exclusion_list else None
    run.list_root = record.exclusion_list.root if record.exclusion_list else None
    run.consumed_root = record.consumed.root
    run.consumed_size = record.consumed.size
    run.weights_digest = record.weights_digest
    run.record_digest = digest
    run.dropped = dict(record.dropped)
    run.metrics = dict(record.metrics)
    run.manifests = [_manifest_of(session, name=m.name, digest=m.digest, rows=m.rows) for m in record.manifests]
    session.flush()
    log.state(session, run_recorded(record, digest, now), now, run_id=run.id)
    outbox.add_publication(session, now)
    audit.record(session, audit.SYSTEM, "run.recorded", run.public_id, {"record": digest}, now)


def _manifest_of(session: Session, *, name: str, digest: str, rows: int) -> TrainingRunManifest:
    registered = select(Manifest.id).where(Manifest.digest == digest, Manifest.state == ManifestState.REGISTERED).limit(1)
    return TrainingRunManifest(manifest_id=session.scalar(registered), name=name, digest=digest, rows=rows)
