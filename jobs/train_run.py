"""Training a run of the bundled model, as a process of its own: this side never imports it."""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from demur.errors import DemurError
from demur.files import read_file
from demur.runs.record import MOST_BYTES
from jobs.workplace import AlreadyDone, Interrupted, Work, Workplace, now
from models import FailureReason, TrainingRun
from rights import outbox
from rights.artefacts import CONSUMED_FILE, RECORD_FILE
from rights.catalogues import registered_manifests
from rights.list_versions import newest_version
from rights.runs import begin_run, fail_run, note_list, record_run
from rights.signing_keys import RUN_SIGNER

SIGNER_FILE = f"{RUN_SIGNER}.pem"
LIST_STATE_FILE = "list-state.json"
LOOK_EVERY_S = 0.5
GRACE_S = 10.0
TERMINATED = 143  # the trainer's exit code after SIGTERM
REFUSED = 3  # its exit code after a failure that it says a sentence about
KEPT_BYTES = 1 << 16  # of what it said last
TRIES = 5

logger = logging.getLogger(__name__)


def train_run(workplace: Workplace, work: Work) -> None:
    """Trains a queued run and records it; one that was interrupted is begun afresh. A failure is the run's.

    Pages say one of few reasons. What the trainer said, which may name photos and paths, goes to a log file of the operator's.
    """
    run = _begin(workplace, work)
    failure = None if _finished(workplace, run) else _train(workplace, work, run)
    with workplace.effect(work) as session:
        run = session.get_one(TrainingRun, run.id, with_for_update=True)
        if failure is None:
            failure = _record(workplace, session, run)
        if failure is not None:
            fail_run(session, run, failure, now())


def _begin(workplace: Workplace, work: Work) -> TrainingRun:
    with workplace.writing.begin() as session:
        if outbox.locked(session, work.outbox_id) is None:  # recorded by another worker while this one waited
            raise AlreadyDone
        run = session.get_one(TrainingRun, work.payload["run_id"], with_for_update=True)
        if not _finished(workplace, run):
            begin_run(session, run, now())
    return run


def _finished(workplace: Workplace, run: TrainingRun) -> bool:
    """Whether an earlier attempt's trainer came to its end: it writes the record last."""
    return (workplace.runs.path(run) / RECORD_FILE).exists()


def _train(workplace: Workplace, work: Work, run: TrainingRun) -> FailureReason | None:
    """Runs the trainer. Returns why it failed, None when it finished. Raises Interrupted."""
    shutil.rmtree(workplace.runs.path(run), ignore_errors=True)
    command = _command(workplace, run)
    if "--data" not in command:
        return FailureReason.NO_MANIFEST
    workplace.config.runs_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as said:
        # A process group of its own keeps the terminal's Ctrl-C away from it: this worker decides.
        trainer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, process_group=0)
        code = _attend(trainer, work, ListWatch(workplace, run))
        if code == 0:
            return None
        _keep(workplace, run, said)
        if code < 0 or code == TERMINATED:
            if work.attempt < TRIES:
                raise Interrupted(f"the trainer of {run.name} was ended by a signal")
            return FailureReason.INTERRUPTED
        return FailureReason.REFUSED if code == REFUSED else FailureReason.FAILED


class ListWatch:
    """Writes down which list a trainer obeys, as soon as it has read one: before, nobody can say what the run leaves out."""

    def __init__(self, workplace: Workplace, run: TrainingRun) -> None:
        self._workplace, self._run, self._is_noted = workplace, run, False

    def look(self) -> None:
        used = None if self._is_noted else self._workplace.runs.list_read(self._run)
        if used is None:
            return
        try:
            with self._workplace.writing.begin() as session:
                note_list(session, session.get_one(TrainingRun, self._run.id, with_for_update=True), used, now())
        except OperationalError as error:  # a database that is away for a moment ends no training
            logger.warning("%s: which list it read is not written down yet: %s", self._run.public_id, type(error).__name__)
        else:
            self._is_noted = True


def _attend(trainer: subprocess.Popen[bytes], work: Work, watch: ListWatch) -> int:
    """The trainer's exit code. Ends it and raises Interrupted when the work is to stop."""
    try:
        while True:
            work.pause()
            watch.look()
            with suppress(subprocess.TimeoutExpired):
                return trainer.wait(LOOK_EVERY_S)
    finally:
        _end(trainer)


def _end(trainer: subprocess.Popen[bytes]) -> None:
    if trainer.poll() is None:
        trainer.terminate()
        try:
            trainer.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            trainer.kill()
            trainer.wait()


def _command(workplace: Workplace, run: TrainingRun) -> list[str]:
    config = workplace.config
    with workplace.reading() as session:
        # Not opened here: of one that is damaged the trainer says so, and the run fails instead of being begun for ever.
        folders = [workplace.catalogues.directory / manifest.catalogue for manifest in registered_manifests(session)]
        published = newest_version(session) is not None
    options = {
        "--list": str(config.list_dir) if published else "none",
        "--list-key": str(workplace.keys.list_key().verifier),
        "--out": str(workplace.runs.path(run)),
        "--tier": run.tier,
        "--name": run.name,
        "--signing-key": str(config.keys_dir / SIGNER_FILE),
        "--state": str(config.runs_dir / LIST_STATE_FILE),
    }
    data = [part for folder in folders for part in ("--data", str(folder))]
    return [*_dies_with_us(), sys.executable, "-m", "rhea", "train", *data, *(part for option in options.items() for part in option)]


def _dies_with_us() -> list[str]:
    """The kernel ends the trainer when this worker is killed with -9, so that a run is never trained twice at once."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _record(workplace: Workplace, session: Session, run: TrainingRun) -> FailureReason | None:
    """Takes the finished run's record in, unless it is refused."""
    folder: Path = workplace.runs.path(run)
    signer = workplace.keys.run_signer().verifier
    try:
        envelope = read_file(folder / RECORD_FILE, MOST_BYTES)
        record_run(session, workplace.runs, envelope, folder / CONSUMED_FILE, keys=[signer], now=now(), run=run)
    except DemurError as refusal:
        logger.warning("%s: its record was refused: %s", run.public_id, type(refusal).__name__)
        return FailureReason.RECORD_REFUSED
    return None


def _keep(workplace: Workplace, run: TrainingRun, said: IO[bytes]) -> None:
    """Keeps what a trainer said that did not finish, for the operator alone. That it cannot be kept fails nothing."""
    logs = workplace.config.data_dir / "logs"
    said.seek(max(0, said.seek(0, os.SEEK_END) - KEPT_BYTES))
    try:
        logs.mkdir(mode=0o700, exist_ok=True)
        (logs / f"trainer-{run.public_id}.log").write_bytes(said.read())
    except OSError as error:
        logger.warning("%s: what its trainer said cannot be kept: %s", run.public_id, type(error).__name__)
    else:
        logger.warning("%s: its trainer did not finish; what it said is in logs/trainer-%s.log", run.public_id, run.public_id)
