"""`python -m jobs relay` and `python -m jobs worker QUEUE`: two long-running processes, ended by SIGTERM."""

import argparse
import signal
from threading import Event

from config import Config
from jobs.broker import connect
from jobs.relay import LEASE_S, Relay
from jobs.topics import QUEUES
from jobs.worker import work
from jobs.workplace import Workplace
from logs import configure_libraries, log_what_nobody_catches
from supervisor.private import keep_private


def main() -> None:
    options = _options()
    configure_libraries()
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    config = Config.from_env()
    log_what_nobody_catches()
    keep_private(config.data_dir)
    workplace, broker = Workplace.open(config), connect(config.broker)
    if options.part == "relay":
        Relay(workplace, broker, options.lease).run(stopping)
    else:
        work(options.queue, workplace, broker, stopping)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m jobs", description="Carries out what committed changes promise.")
    parts = parser.add_subparsers(dest="part", required=True)
    relay = parts.add_parser("relay", help="hand due outbox rows to the workers")
    relay.add_argument("--lease", type=float, default=LEASE_S, help="seconds without a sign of life after which work is handed out again")
    worker = parts.add_parser("worker", help="carry out the jobs of one queue")
    worker.add_argument("queue", choices=QUEUES)
    return parser.parse_args()


if __name__ == "__main__":
    main()
