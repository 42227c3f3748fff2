"""The supervisor's life: check, prepare, start, tend, end."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import IO

import requests

from config import Config
from models.migrating import migrate
from rights.signing_keys import make_keys
from supervisor.broker import broker_command, wait_for_broker
from supervisor.checks import address_of, require_free
from supervisor.children import Child, Part
from supervisor.orphans import OrphanWatch
from supervisor.terminal import Terminal

TEND_EVERY_S = 0.25


@dataclass(frozen=True)
class Service:
    """A part that answers at a URL once it is ready."""

    part: Part
    base_url: str
    setting: str  # that moves it to another port
    health: str


@dataclass(frozen=True)
class Parts:
    """What to run: services that answer before anything else starts, then workers. ``welcome`` are the lines to greet with."""

    services: Sequence[Service]
    workers: Sequence[Part]
    welcome: Sequence[str]


def supervise(config: Config, lock: IO[str], parts: Parts, stop: Event) -> None:
    """Runs the portal on this machine until ``stop`` is set. ``lock`` holds its data directory. Raises CannotStart."""
    with Terminal() as terminal:
        for service in parts.services:
            require_free(address_of(service.base_url), f"the {service.part.name}", service.setting)
        socket = None if config.redis_url else Path(config.broker.removeprefix("unix://"))
        broker = [Part("broker", broker_command(socket))] if socket else []
        orphans = OrphanWatch(lock)
        family = Family(config.data_dir / "logs", orphans)
        try:
            family.start(*broker)
            make_keys(config.keys_dir, config.list_name)
            migrate(config.database)
            if socket:
                wait_for_broker(socket)
            family.start(*(service.part for service in parts.services))
            _tend(config, parts, family, terminal, stop)
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

    def start(self, *parts: Part) -> None:
        for part in parts:
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


def _tend(config: Config, parts: Parts, family: Family, terminal: Terminal, stop: Event) -> None:
    """The site comes first: workers, which import for seconds on every core, start once it answers."""
    while not all(_answers(service.health) for service in parts.services):
        if stop.wait(TEND_EVERY_S):
            return
        for sentence in family.tend():
            terminal.warn(sentence)
    terminal.welcome(config.base_url, parts.welcome)
    family.start(*parts.workers)
    from supervisor.watcher import Watcher  # here, because it loads the whole library, and the site comes first

    watcher = Watcher.open(config)
    while not stop.wait(TEND_EVERY_S):
        for sentence in family.tend():
            terminal.warn(sentence)
        for line in family.news():
            terminal.say(line)
        watcher.look(terminal)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False
