"""The composition root. `python -m front` serves the web part; `python app.py` runs the whole portal on one machine."""

import argparse
import os
import signal
import sys
from pathlib import Path
from threading import Event
from typing import IO, Any

from config import Config
from logs import configure_libraries, log_what_nobody_catches
from supervisor.checks import CannotStart, address_of, hold
from supervisor.children import Part
from supervisor.private import keep_private
from supervisor.supervise import Parts, Service, supervise


def __getattr__(name: str) -> Any:
    """``app``, made when a web server asks for it: the supervisor imports this module, too, and needs no Flask."""
    if name != "app":
        raise AttributeError(name)
    from portal import create_app
    from portal.site import EXTENSION

    config = Config.from_env()
    keep_private(config.data_dir)
    app = globals()["app"] = create_app(config)
    app.extensions[EXTENSION].sandbox.warm()
    return app


def main() -> None:
    """Runs the portal until Ctrl-C. Without an OpenID provider in the settings, with demo pictures, members and provider."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument("--photos", type=Path, help="show the pictures of this folder instead of Debian's (demonstration only)")
    photos: Path | None = arguments.parse_args().photos
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    config = Config.from_env()
    configure_libraries()
    log_what_nobody_catches()
    keep_private(config.data_dir)
    try:
        with hold(config.data_dir) as lock:
            if config.oidc_issuer:
                _run(config, lock, stop)
            else:
                _demonstrate(config, lock, photos, stop)
    except CannotStart as reason:
        sys.exit(str(reason))


def _run(config: Config, lock: IO[str], stop: Event) -> None:
    welcome = [f"Members sign in at {config.oidc_issuer}", _ending(config)]
    supervise(config, lock, Parts([_web(config)], _workers(), welcome), stop)


def _demonstrate(plain: Config, lock: IO[str], photos: Path | None, stop: Event) -> None:
    from demo.settings import Demonstration

    demonstration = Demonstration.of(plain)
    os.environ.update(demonstration.settings)  # for the children: the demonstration is settings like any other
    config = Config.from_env()
    provider = Service(
        Part("provider", [sys.executable, "-m", "demo.provider"]), config.oidc_issuer, "DEMUR_BASE_URL", f"{config.oidc_issuer}/healthz"
    )
    seed = Part("seed", [sys.executable, "-m", "demo.seed", *(["--photos", str(photos.resolve())] if photos else [])], once=True)
    welcome = [*demonstration.welcome, "", _ending(config)]
    supervise(config, lock, Parts([_web(config), provider], [*_workers(), seed], welcome), stop)


def _web(config: Config) -> Service:
    host, port = address_of(config.base_url)
    part = Part("web", [sys.executable, "-m", "front", "--bind", f"{host}:{port}"])
    return Service(part, config.base_url, "DEMUR_BASE_URL", f"{config.base_url.rstrip('/')}/healthz")


def _workers() -> list[Part]:
    jobs = [sys.executable, "-m", "jobs"]
    queues = [
        Part(f"worker-{queue}", [*jobs, "worker", queue]) for queue in ("list", "search", "vectors", "model", "notices", "thumbnails")
    ]
    return [Part("relay", [*jobs, "relay"]), *queues]


def _ending(config: Config) -> str:
    return f"Everything is kept in {config.data_dir}. Ctrl-C ends it."


if __name__ == "__main__":
    main()
