"""The exclusion list over HTTP, in the layout of its directory (docs/formats/exclusion-list.md).

Only versions that stand in the database are served: files of a version whose publication died before its commit were promised to
nobody. A published version never changes, so its files may be cached for good. Exports and deltas over several versions are derived from
what was published: they are written when they are first asked for, and lie apart.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from flask import Blueprint, Response, request, send_file
from werkzeug.exceptions import NotFound

from demur.digests import sha256_file
from demur.errors import DemurError
from demur.exclusions import Entry
from demur.exclusions.exports import write_csv, write_jsonl, write_uids
from demur.exclusions.history import History, delta_between_file, read_keys
from demur.exclusions.rotation import ROTATIONS_FILE
from demur.exclusions.sources import DirectorySource
from demur.exclusions.writer import version_directory
from demur.files import alone_in, atomic_file, atomic_write
from models import ExclusionListVersion
from portal.api.tokens import require
from portal.database import db
from portal.site import site
from rights.list_versions import newest_version
from rights.tokens import Scope

FOR_GOOD = "private, max-age=31536000, immutable"
PARQUET = "application/vnd.apache.parquet"
KEPT_EXPORTS = 12  # the same of exports, of which each is as large as the list
KEPT_DELTAS = 256  # over several versions; who asks for an older one again has it made again
DELTA_PATIENCE_S = 5.0
"""How long a reader of the list waits for its turn before it is sent away. It asks again three times (demur.exclusions.sources)."""
LOOK_EVERY_S = 0.05
TYPES = {
    "head.dsse.json": "application/json",
    "entries.parquet": PARQUET,
    "delta.parquet": PARQUET,
    "entries.csv": "text/csv; charset=utf-8",
    "entries.jsonl": "application/jsonl",
    "uids.txt": "text/plain; charset=utf-8",
}
EXPORTS: dict[str, Callable[[Iterable[Entry], TextIO], None]] = {
    "entries.csv": write_csv,
    "entries.jsonl": write_jsonl,
    "uids.txt": write_uids,
}


class ExportBusy(DemurError):
    """Another export, or another delta, is being made."""


VERSION = f"int(max={2**31 - 1})"  # what the database holds


def add_routes(blueprint: Blueprint) -> None:
    blueprint.add_url_rule("/exclusion-list/", "list_root", index)
    blueprint.add_url_rule("/exclusion-list/head.dsse.json", "list_head", head)
    blueprint.add_url_rule(f"/exclusion-list/versions/<{VERSION}:version>/<name>", "list_file", file)
    blueprint.add_url_rule(f"/exclusion-list/versions/<{VERSION}:version>/delta-from-<{VERSION}:before>.parquet", "list_delta", delta)
    blueprint.add_url_rule("/exclusion-list/rotations.json", "list_rotations", rotations)
    blueprint.add_url_rule("/exclusion-list/key", "list_key", key)


def index() -> dict[str, object]:
    """What there is below this address; public."""
    newest = newest_version(db())
    return {"version": newest.version if newest else 0, "head": "head.dsse.json", "key": "key", "files": sorted(TYPES)}


def key() -> Response:
    """The list's verifier key; public, as keys are. It proves nothing until it was compared with one from elsewhere."""
    verifier = site().keys.list_key()
    if verifier is None:
        raise NotFound
    return Response(f"{verifier}\n", mimetype="text/plain")


def rotations() -> Response:
    """How the list's key changed, from each key to the next; public."""
    path = site().config.list_dir / ROTATIONS_FILE
    if not path.exists():
        raise NotFound("the list's key never changed")
    response = send_file(path.resolve(), mimetype="application/json", conditional=True, etag=sha256_file(path))
    response.headers["Cache-Control"] = "no-cache"
    return response


def head() -> Response:
    """The newest version's signed head."""
    require(Scope.LIST_READ)
    newest = newest_version(db())
    if newest is None:
        raise NotFound("no version is published yet")
    return _send(newest, "head.dsse.json", "private, no-cache")


def file(version: int, name: str) -> Response:
    """One immutable file of a version."""
    require(Scope.LIST_READ)
    row = db().get(ExclusionListVersion, version)
    if row is None or name not in TYPES:
        raise NotFound
    return _send(row, name, FOR_GOOD)


def delta(version: int, before: int) -> Response:
    """What leads from an older version to this one; unsigned, as what it leads to is signed."""
    require(Scope.LIST_READ)
    row = db().get(ExclusionListVersion, version)
    if row is None or before >= version or db().get(ExclusionListVersion, before) is None:
        raise NotFound
    return _send(row, delta_between_file(before), FOR_GOOD, partial(_delta, version, before))


def _send(row: ExclusionListVersion, name: str, cache: str, derive: Callable[[], Path] | None = None) -> Response:
    etag = f"{row.version}-{row.root[:32]}-{name}"
    if etag in request.if_none_match:
        response = Response(status=304)
        response.set_etag(etag)
    else:
        path = _path(row.version, name) if derive is None else derive()
        response = send_file(path.resolve(), mimetype=TYPES.get(name, PARQUET), conditional=True, etag=etag)
    response.headers["Cache-Control"] = cache
    return response


def _path(version: int, name: str) -> Path:
    path = _export(version, name) if name in EXPORTS else version_directory(site().config.list_dir, version) / name
    if not path.exists():
        raise NotFound("this version has no whole file of its own; its head names the one that it builds on")
    return path


def _history() -> History:
    source, verifier = DirectorySource(site().config.list_dir), site().keys.list_key()
    if verifier is None:
        raise NotFound("there is no key")
    return History(source, read_keys(source, verifier))


def _export(version: int, name: str) -> Path:
    path = site().config.data_dir / "exports" / f"{version}.{name}"

    def write() -> None:
        history = _history()
        entries = history.read(history.head(version)).entries
        with atomic_file(path) as scratch, open(scratch, "w", encoding="utf-8", newline="") as out:
            EXPORTS[name](entries, out)

    return _derived(path, KEPT_EXPORTS, write, patience_s=0)


def _delta(version: int, before: int) -> Path:
    path = site().config.data_dir / "deltas" / f"{version}.{delta_between_file(before)}"

    def write() -> None:
        history = _history()
        atomic_write(path, history.delta(history.head(before), history.head(version)).parquet())

    return _derived(path, KEPT_DELTAS, write, patience_s=DELTA_PATIENCE_S)


def _derived(path: Path, kept: int, write: Callable[[], None], *, patience_s: float) -> Path:
    """What is derived, written unless it is there. Raises ExportBusy, and what ``write`` raises."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(path.parent, patience_s):
            if not path.exists():  # another one that asked for it had the turn before
                _make_room(path.parent, kept)
                write()
    return path


@contextmanager
def _one_at_a_time(directory: Path, patience_s: float) -> Iterator[None]:
    """What is derived of a large list takes a core for a while, so that the next one waits for its turn. Raises ExportBusy."""
    until = time.monotonic() + patience_s
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(alone_in(directory, wait=False))
                break
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    raise ExportBusy(f"another file is being made in {directory.name}") from error
                time.sleep(LOOK_EVERY_S)
        yield


def _make_room(directory: Path, kept: int) -> None:
    """For one more of what is derived: any version, or any two, may be asked for, which is more files than anybody keeps."""
    by_age = sorted(directory.glob("[0-9]*"), key=_written_at)
    for path in by_age[: max(0, len(by_age) - kept + 1)]:
        path.unlink(missing_ok=True)


def _written_at(path: Path) -> float:
    """0 where another process has made room of it meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0
