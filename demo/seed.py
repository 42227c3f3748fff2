"""`python -m demo.seed`: the demonstration's photos, their manifest and the first training run, each made once."""

import argparse
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from config import Config
from demo.pictures import PACKAGE, NoPictures, own, stamps
from demo.platform_photos import write_platform
from demo.settings import DemoDirectory
from logs import configure_libraries, log_what_nobody_catches
from models import Manifest, ManifestState, TrainingRun, make_engine, make_sessions, writing
from rights.catalogues import Catalogues
from rights.imports import import_and_register
from rights.indexing import mend_index
from rights.runs import queue_run
from supervisor.private import keep_private

CACHE = Path("demo-data")
MANIFEST_NAME = "lantern-autumn-2026"
FIRST_RUN = "Run 1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="a folder of pictures, instead of Debian's")
    photos: Path | None = parser.parse_args().photos
    # An import that is told to stop takes its traces with it, so that the next start can begin it anew.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before the demonstration was ready"))
    config = Config.from_env()
    configure_libraries()
    log_what_nobody_catches()
    keep_private(config.data_dir)
    try:
        make_photos(DemoDirectory.of(config), photos)
    except NoPictures as reason:
        print(reason, flush=True)
        return
    sessions = make_sessions(writing(make_engine(config.database)))
    import_once(sessions, config, lambda: datetime.now(UTC))
    queue_once(sessions, config.train_tier, datetime.now(UTC))


def make_photos(demo: DemoDirectory, photos: Path | None) -> None:
    """Writes what the platform hands out, unless it is there. Raises NoPictures."""
    source = str(photos.resolve()) if photos else PACKAGE
    if demo.photos.exists():
        if demo.source.read_text() != source:
            print(f"This data directory shows {demo.source.read_text()}. For other pictures, set DEMUR_DATA_DIR to a new one.", flush=True)
        return
    if not photos and not (CACHE / PACKAGE).exists():
        print(f"Fetching the demo pictures, Debian’s {PACKAGE} (161 MB), once …", flush=True)
    pictures = own(photos) if photos else stamps(CACHE)
    demo.source.write_text(source)
    written = write_platform(pictures, demo.photos, lambda _done, _total: None)
    print(f"Lantern’s members have posted {len(written)} photos.", flush=True)


def import_once(sessions: sessionmaker[Session], config: Config, clock: Callable[[], datetime]) -> None:
    """Imports and registers the manifest of the demonstration's photos, unless it is registered; then its index is made whole."""
    catalogues = Catalogues(config.catalogues_dir, config.similarity_dir)
    with sessions.begin() as session:
        registered = select(Manifest.id).where(Manifest.name == MANIFEST_NAME, Manifest.state == ManifestState.REGISTERED)
        known = session.scalar(registered) is not None
    if known:
        if mend_index(sessions, catalogues):
            print("The similarity index was not whole; it is made anew.", flush=True)
        return
    import_and_register(sessions, catalogues, DemoDirectory.of(config).photos, MANIFEST_NAME, clock=clock)


def queue_once(sessions: sessionmaker[Session], tier: str, now: datetime) -> None:
    """Queues the first run, unless there has been one."""
    with sessions.begin() as session:
        if session.scalar(select(TrainingRun.id).limit(1)) is None:
            queue_run(session, FIRST_RUN, tier, now)


if __name__ == "__main__":
    main()
