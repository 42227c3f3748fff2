"""Follows long work in the database and shows it at the terminal."""

import time
from dataclasses import dataclass

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from config import Config
from models import make_engine, make_sessions
from rights.artefacts import RunArtefacts
from supervisor.terminal import Terminal
from supervisor.work import outcomes, under_way

LOOK_EVERY_S = 1.0


@dataclass
class Watcher:
    sessions: sessionmaker[Session]
    artefacts: RunArtefacts
    looked_at: float = 0.0

    @classmethod
    def open(cls, config: Config) -> "Watcher":
        return cls(make_sessions(make_engine(config.database)), RunArtefacts(config.runs_dir))

    def look(self, terminal: Terminal) -> None:
        """Shows what is under way and says what has ended; call it often, it looks once a second."""
        if time.monotonic() - self.looked_at < LOOK_EVERY_S:
            return
        self.looked_at = time.monotonic()
        try:
            with self.sessions() as session:
                over = terminal.show(under_way(session, self.artefacts))
                for sentence in outcomes(session, over) if over else ():
                    terminal.say(sentence)
        except OperationalError:  # the database is away for a moment: the bars stand still, and the children's logs tell
            return
