"""The supervisor's life: check, prepare, start, tend, end."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import IO

import requests
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from config import Config
from models import make_engine, make_sessions
from rights.artefacts import RunArtefacts
from supervisor.broker import broker_command, wait_for_broker
from supervisor.checks import address_of, require_free
from supervisor.children import Child, Part
from supervisor.orphans import OrphanWatch
from supervisor.prepare import make_keys, migrate
from supervisor.terminal import Terminal
from supervisor.work import outcomes, under_way

TEND_EVERY_S = 0.25
LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Service:
    """A part that answers at a URL once it is ready."""

    part: Part
    base_url: str
    setting: str  # that moves it to another port
    health: str


def supervise(
    config: Config, lock: IO[str], services: Sequence[Service], workers: Sequence[Part], welcome: Iterable[str], stop: Event
) -> None:
    """Runs the portal on this machine until ``stop`` is set. ``lock`` holds its data directory. Raises CannotStart."""
    with Terminal() as terminal:
        for service in services:
            require_free(address_of(service.base_url), f"the {service.part.name}", service.setting)
        socket = None if config.redis_url else Path(config.broker.removeprefix("unix://"))
        broker = [Part("broker", broker_command(socket))] if socket else []
        orphans = OrphanWatch(lock)
        family = Family(config.data_dir / "logs", orphans)
        try:
            for part in broker:
                family.start(part)
            make_keys(config)
            migrate(config.database)
            if socket:
                wait_for_broker(socket)
            for part in (*(service.part for service in services), *workers):
                family.start(part)
            _tend(config, family, services, welcome, terminal, stop)
        finally:
            terminal.say("Ending …")
            family.end()
            orphans.close()
    terminal.say("Ended. Everything is kept.")


class Family:
    """The children, the broker first. They end together, the broker after all others."""

    def __init__(self, logs: Path, orphans: OrphanWatch) -> None:
        self._logs = logs
        self._orphans = orphans
        self._children: list[Child] = []

    def start(self, part: Part) -> None:
        child = Child(part, self._logs, self._orphans)
        child.start()
        self._children.append(child)

    def tend(self) -> list[str]:
        """What there is to say of children that died."""
        return [str(death) for child in self._children if (death := child.tend())]

    def news(self) -> list[str]:
        return [line for child in self._children for line in child.news()]

    def end(self) -> None:
        brokers = [child for child in self._children if child.part.name == "broker"]
        others = [child for child in self._children if child.part.name != "broker"]
        for generation in (others, brokers):
            with ThreadPoolExecutor(max(len(generation), 1)) as pool:
                list(pool.map(Child.end, generation))


def _tend(config: Config, family: Family, services: Sequence[Service], welcome: Iterable[str], terminal: Terminal, stop: Event) -> None:
    sessions, artefacts = make_sessions(make_engine(config.database)), RunArtefacts(config.runs_dir)
    welcomed, looked_at = False, 0.0
    while not stop.wait(TEND_EVERY_S):
        for sentence in family.tend():
            terminal.warn(sentence)
        for line in family.news() if welcomed else ():
            terminal.say(line)
        if not welcomed and all(_answers(service.health) for service in services):
            terminal.welcome(config.base_url, welcome)
            welcomed = True
        if time.monotonic() - looked_at >= LOOK_EVERY_S:
            _look(sessions, artefacts, terminal)
            looked_at = time.monotonic()


def _look(sessions: sessionmaker[Session], artefacts: RunArtefacts, terminal: Terminal) -> None:
    try:
        with sessions() as session:
            over = terminal.show(under_way(session, artefacts))
            for sentence in outcomes(session, over) if over else ():
                terminal.say(sentence)
    except OperationalError:  # the database is away for a moment: the bars stand still, and the children's logs tell
        return


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False
