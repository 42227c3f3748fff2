"""What one relay or worker process holds: settings, database, opened catalogues and runs, and the processes that decode pictures."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from config import Config
from demur.similarity.sandbox import Sandbox
from demur.similarity.thumbnails import SHRINKING
from models import make_engine, make_sessions, writing
from rights import outbox
from rights.artefacts import RunArtefacts
from rights.catalogues import Catalogues
from rights.reach_limits import Limits, Most
from rights.signing_keys import SigningKeys
from rights.thumbnails import ThumbnailStore

TURN_S = 2.0
"""Seconds of decoding that one owner's pictures, or one manifest's, get at once."""
PICTURES = 5000
"""After so many a decoding process is replaced: the worker reads thousands in a row, and a start takes as long as a hundred of them."""


class AlreadyDone(Exception):
    """Another worker had this effect first; there is nothing left to do."""


class Interrupted(Exception):
    """The work was cut short and is to be done again."""


@dataclass(frozen=True)
class Work:
    """One handing of an outbox row. Long work looks at ``must_stop`` now and then."""

    outbox_id: int
    attempt: int
    payload: dict[str, Any]
    promised_at: datetime
    stops: tuple[Event, ...] = ()

    @property
    def must_stop(self) -> bool:
        """Whether this process is to end, or the row was handed to somebody else."""
        return any(stop.is_set() for stop in self.stops)

    def pause(self) -> None:
        """A point at which the work can be left and begun again later. Raises Interrupted."""
        if self.must_stop:
            raise Interrupted("told to stop, or handed to somebody else")


class Turn:
    """The time that one piece of work may take before others have their turn."""

    def __init__(self, work: Work, seconds: float = TURN_S) -> None:
        self._work, self._until = work, time.monotonic() + seconds

    def over(self) -> bool:
        return self._work.must_stop or time.monotonic() >= self._until


@dataclass(frozen=True)
class Workplace:
    config: Config
    reading: sessionmaker[Session]
    writing: sessionmaker[Session]
    catalogues: Catalogues
    runs: RunArtefacts
    sandbox: Sandbox
    thumbnails: ThumbnailStore
    shrinking: Sandbox
    keys: SigningKeys

    @property
    def limits(self) -> Limits:
        """How far an opt-out may reach before a person looks."""
        config = self.config
        return Limits(
            fingerprint=config.reach_of_fingerprint,
            picture=Most(config.reach_of_picture, config.owners_of_picture),
            request=Most(config.reach_of_request, config.owners_of_request),
            day=Most(config.reach_of_day, config.owners_of_day),
            photos=config.fan_out_limit,
        )

    @classmethod
    def open(cls, config: Config) -> "Workplace":
        engine = make_engine(config.database)
        cores = len(os.sched_getaffinity(0))
        return cls(
            config=config,
            reading=make_sessions(engine),
            writing=make_sessions(writing(engine)),
            catalogues=Catalogues(config.catalogues_dir, config.similarity_dir),
            runs=RunArtefacts(config.runs_dir),
            sandbox=Sandbox(processes=cores, pictures=PICTURES),
            thumbnails=ThumbnailStore(config.thumbnails_dir, config.thumbnail_bytes),
            shrinking=Sandbox(processes=max(cores // 2, 1), pictures=PICTURES, work=SHRINKING),
            keys=SigningKeys(config.keys_dir, config.list_dir),
        )

    @property
    def list_lifetime(self) -> timedelta:
        return timedelta(days=self.config.list_lifetime_days)

    @contextmanager
    def effect(self, work: Work) -> Iterator[Session]:
        """The transaction in which the work takes effect *and* its outbox row is marked done. Raises AlreadyDone before it begins."""
        with self.writing.begin() as session:
            row = outbox.locked(session, work.outbox_id)
            if row is None:
                raise AlreadyDone
            yield session
            outbox.done(row, now())


def now() -> datetime:
    """Where background work reads the clock; below it, time is an argument."""
    return datetime.now(UTC)
