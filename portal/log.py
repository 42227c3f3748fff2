"""The transparency log as static files below /log/ (docs/formats/transparency-log.md), and its public key. Everything here is public."""

from flask import Blueprint, Response, request, send_file
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join

from demur.errors import DemurError
from demur.exclusions.sources import DirectorySource
from demur.tlog.files import LogFiles, LogMovedOn
from demur.tlog.reader import CHECKPOINT_FILE, LogReader
from portal.bodies import takes
from portal.site import site
from rights.log import add_cosignatures

MAX_NOTE_BYTES = 64_000
FOR_GOOD = "public, max-age=31536000, immutable"
blueprint = Blueprint("log", __name__, url_prefix="/log")


@blueprint.get("/checkpoint")
def checkpoint() -> Response:
    return _send(CHECKPOINT_FILE, "text/plain", "public, no-cache")


@blueprint.get("/tile/<path:name>")
def tile(name: str) -> Response:
    """A tile of hashes or a bundle of leaves."""
    return _send(f"tile/{name}", "application/octet-stream", FOR_GOOD)


@blueprint.post("/cosignatures")
@takes(MAX_NOTE_BYTES)
def cosign() -> ResponseReturnValue:
    """Takes a checkpoint that a known witness cosigned; its signature is all that counts, so nobody needs to sign in."""
    verifier = site().keys.log_key()
    if verifier is None:
        raise NotFound
    try:
        text = request.get_data().decode()
        added = add_cosignatures(LogFiles(site().config.log_dir), verifier, site().keys.witnesses(), text)
    except (DemurError, UnicodeDecodeError) as error:
        return Response(f"{error}\n", 409 if isinstance(error, LogMovedOn) else 400, mimetype="text/plain")
    return Response(f"{added}\n", mimetype="text/plain")


@blueprint.get("/key")
def key() -> ResponseReturnValue:
    """The log's verifier key. It proves nothing until it was compared with one from elsewhere."""
    verifier = site().keys.log_key()
    if verifier is None:
        raise NotFound
    return Response(f"{verifier}\n", mimetype="text/plain")


def log_reader() -> LogReader | None:
    """Reads this portal's log; None before its keys were made."""
    verifier = site().keys.log_key()
    return LogReader(DirectorySource(site().config.log_dir).read, verifier) if verifier else None


def _send(name: str, mimetype: str, cache: str) -> Response:
    path = safe_join(str(site().config.log_dir.resolve()), name)
    try:
        if path is None or "/." in name:  # what is being written aside
            raise NotFound
        response = send_file(path, mimetype=mimetype, conditional=True)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound from error
    response.headers["Cache-Control"] = cache
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # anyone's monitor may read it, in a browser too
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
