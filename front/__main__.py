"""``python -m front``: serves ``app:app``. Several may run behind a proxy, each at an address of its own."""

import argparse
import logging
import signal
import sys
from typing import Any

from front.admission import Bounds
from front.server import Discreet, PatientServer
from logs import configure_libraries, log_what_nobody_catches

THREADS = 32  # most of a stranger's lookup is a wait that tells nothing (portal.even_answers)


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m front", description=__doc__)
    arguments.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")
    arguments.add_argument("--threads", type=int, default=THREADS)
    given = arguments.parse_args()
    host, _, port = given.bind.rpartition(":")
    configure_libraries()
    _log_discreetly()
    signal.signal(signal.SIGTERM, _end)
    from app import app
    from portal.bounds import allowance

    log_what_nobody_catches()
    config = app.extensions["demur"].config
    bounds = Bounds().of_proxies() if config.trusted_proxies else Bounds()
    PatientServer(app, allowance(app, config), bounds, host=host, port=int(port), threads=given.threads).run()


def _log_discreetly() -> None:
    for name in ("waitress", "waitress.queue"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [Discreet()], False


def _end(*_: Any) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
