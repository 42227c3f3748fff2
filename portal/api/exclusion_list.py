"""The exclusion list over HTTP, in the layout of its directory (docs/formats/exclusion-list.md).

Only versions that stand in the database are served: files of a version whose publication died before its commit were promised to
nobody. A published version never changes, so its files may be cached for good.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

from flask import Blueprint, Response, request, send_file
from werkzeug.exceptions import NotFound

from demur.exclusions import Entry
from demur.exclusions.exports import write_csv, write_jsonl, write_uids
from demur.exclusions.table import EntryTable
from demur.exclusions.writer import version_directory
from demur.files import atomic_file
from models import ExclusionListVersion
from portal.api.tokens import require
from portal.database import db
from portal.lists import list_verifier
from portal.site import site
from rights.lists import newest_version
from rights.tokens import Scope

FOR_GOOD = "private, max-age=31536000, immutable"
TYPES = {
    "head.dsse.json": "application/json",
    "entries.parquet": "application/vnd.apache.parquet",
    "delta.parquet": "application/vnd.apache.parquet",
    "entries.csv": "text/csv; charset=utf-8",
    "entries.jsonl": "application/jsonl",
    "uids.txt": "text/plain; charset=utf-8",
}
EXPORTS: dict[str, Callable[[Iterable[Entry], TextIO], None]] = {
    "entries.csv": write_csv,
    "entries.jsonl": write_jsonl,
    "uids.txt": write_uids,
}


def add_routes(blueprint: Blueprint) -> None:
    blueprint.add_url_rule("/exclusion-list/", "list_root", index)
    blueprint.add_url_rule("/exclusion-list/head.dsse.json", "list_head", head)
    blueprint.add_url_rule("/exclusion-list/versions/<int:version>/<name>", "list_file", file)
    blueprint.add_url_rule("/exclusion-list/key", "list_key", key)


def index() -> dict[str, object]:
    """What there is below this address; public."""
    newest = newest_version(db())
    return {"version": newest.version if newest else 0, "head": "head.dsse.json", "key": "key", "files": sorted(TYPES)}


def key() -> Response:
    """The list's verifier key; public, as keys are. It proves nothing until it was compared with one from elsewhere."""
    verifier = list_verifier()
    if verifier is None:
        raise NotFound
    return Response(f"{verifier}\n", mimetype="text/plain")


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


def _send(row: ExclusionListVersion, name: str, cache: str) -> Response:
    etag = f"{row.version}-{row.root[:32]}-{name}"
    if etag in request.if_none_match:
        response = Response(status=304)
        response.set_etag(etag)
    else:
        path = _export(row.version, name) if name in EXPORTS else version_directory(site().config.list_dir, row.version) / name
        response = send_file(path.resolve(), mimetype=TYPES[name], conditional=True, etag=etag)
    response.headers["Cache-Control"] = cache
    return response


def _export(version: int, name: str) -> Path:
    """The export, written when it is first asked for. It is derived from entries.parquet, so it lies apart from what was published."""
    path = site().config.data_dir / "exports" / f"{version}.{name}"
    if not path.exists():
        os.makedirs(path.parent, exist_ok=True)
        entries = EntryTable.read((version_directory(site().config.list_dir, version) / "entries.parquet").read_bytes())
        with atomic_file(path) as scratch, open(scratch, "w", encoding="utf-8", newline="") as out:
            EXPORTS[name](entries, out)
    return path
