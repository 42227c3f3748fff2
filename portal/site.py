"""What one portal process holds: its settings, its database and the directories it reads. Built once by ``create_app``."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from flask import current_app
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from config import Config
from demur.similarity.sandbox import Sandbox
from models import make_engine, make_sessions, writing
from portal.address import Address
from portal.secret import Secrets
from portal.throttle import Throttle
from rights.artefacts import RunArtefacts
from rights.catalogues import Catalogues
from rights.public_keys import PublicKeys
from rights.thumbnails import ThumbnailStore

EXTENSION = "demur"
THUMBNAILS_ASKED_EVERY_S = 60.0
"""Of an owner whose thumbnails are still to be made."""


@dataclass(frozen=True)
class Site:
    config: Config
    engine: Engine
    reading: sessionmaker[Session]
    writing: sessionmaker[Session]
    catalogues: Catalogues
    runs: RunArtefacts
    sandbox: Sandbox
    secrets: Secrets
    thumbnails: ThumbnailStore
    thumbnails_asked: Throttle
    keys: PublicKeys

    @property
    def idle(self) -> timedelta:
        """How long a member's session lasts without a visit."""
        return timedelta(hours=self.config.session_idle_hours)

    @property
    def address(self) -> Address:
        return Address.parse(self.config.base_url)

    @classmethod
    def open(cls, config: Config) -> "Site":
        """Opens nothing yet: the first query connects, so a server may fork between this and the first request."""
        engine = make_engine(config.database)
        return cls(
            config=config,
            engine=engine,
            reading=make_sessions(engine),
            writing=make_sessions(writing(engine)),
            catalogues=Catalogues(config.catalogues_dir, config.similarity_dir),
            runs=RunArtefacts(config.runs_dir),
            sandbox=Sandbox(),
            secrets=Secrets.open(config),
            thumbnails=ThumbnailStore(config.thumbnails_dir, config.thumbnail_bytes),
            thumbnails_asked=Throttle(THUMBNAILS_ASKED_EVERY_S),
            keys=PublicKeys(config.keys_dir, config.list_dir),
        )


def site() -> Site:
    """The running portal."""
    return cast(Site, current_app.extensions[EXTENSION])


def now() -> datetime:
    """The one place where the web part reads the clock; below it, time is an argument."""
    return datetime.now(UTC)
