"""Deletion vectors over HTTP, in the layout of their directory (docs/formats/deletion-vector.md). Files are named by their content, so
that they may be cached for good; the head of each manifest is replaced with every version of the list."""

import hashlib
import re
from dataclasses import asdict
from pathlib import Path

from flask import Blueprint, Response, jsonify, request, send_file
from werkzeug.exceptions import NotFound

from demur.exclusions.rotation import ROTATIONS_FILE
from demur.vectors.reader import HEAD_FILE
from portal.api.exclusion_list import FOR_GOOD
from portal.api.tokens import require
from portal.database import db
from portal.site import site
from rights.tokens import Scope
from rights.vectors import vectors_state

_DIRECTORY, _FILE = re.compile("[0-9a-f]{64}"), re.compile("([0-9a-f]{64})[.]parquet")


def add_routes(blueprint: Blueprint) -> None:
    blueprint.add_url_rule("/deletion-vectors/", "vectors_index", index)
    blueprint.add_url_rule("/deletion-vectors/rotations.json", "vectors_rotations", rotations)
    blueprint.add_url_rule("/deletion-vectors/<manifest>/<name>", "vectors_file", file)


def index() -> Response:
    """The registered manifests, with the directory of each one's vectors."""
    require(Scope.LIST_READ)
    key = site().keys.list_key()
    states = vectors_state(db(), site().config.vectors_dir, key) if key else []
    return jsonify(manifests=[asdict(state) for state in states])


def rotations() -> Response:
    """How the list's key changed, from each key to the next; public, as beside the list itself."""
    path = site().config.vectors_dir / ROTATIONS_FILE
    if not path.exists():
        raise NotFound("the list's key never changed")
    return _replaced(path)


def file(manifest: str, name: str) -> Response:
    """A manifest's newest head, or one of the files that heads name."""
    require(Scope.LIST_READ)
    path = site().config.vectors_dir.resolve() / manifest / name
    named = _FILE.fullmatch(name)
    if not _DIRECTORY.fullmatch(manifest) or not (named or name == HEAD_FILE) or not path.is_file():
        raise NotFound("there is no such file, or no longer")
    return _immutable(path, named[1]) if named else _replaced(path)


def _immutable(path: Path, digest: str) -> Response:
    response = send_file(path, mimetype="application/vnd.apache.parquet", conditional=True, etag=digest)
    response.headers["Cache-Control"] = FOR_GOOD
    return response


def _replaced(path: Path) -> Response:
    data = path.read_bytes()  # once: a newer file may take its place at any moment
    response = Response(data, mimetype="application/json")
    response.set_etag(hashlib.sha256(data).hexdigest())
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response
