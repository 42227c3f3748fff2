"""Pictures that come in to be looked up, and how many requests may bring some at a time.

A picture may take a thread for seconds, and stays in memory as long. So a request that brings one takes one of a few turns, before its
body is read, and beyond them it is refused at once: whatever comes in, most threads of a process are left for everything else. Small
bodies are read first, to see: they may be fingerprints, which take no turn.
"""

import threading

from flask import Flask, g, request
from werkzeug.datastructures import FileStorage

from demur.errors import DemurError
from portal.fingerprints import MAX_FINGERPRINT_BYTES

TURNS = 4
LOOKUPS = frozenset({"lookup.search", "api.look_up"})


class TooManyUploads(DemurError):
    """All turns of this process are taken."""


def init_app(app: Flask) -> None:
    """Goes before whatever reads a request's body."""
    turns = threading.BoundedSemaphore(TURNS)

    @app.before_request
    def take_turn() -> None:
        if not may_bring_pictures() or not (_is_large() or sent_pictures()):
            return
        if not turns.acquire(blocking=False):
            raise TooManyUploads("Too many pictures are being read just now; please try again in a moment.")
        g.turn = turns

    app.teardown_appcontext(lambda _error: end_turn())


def end_turn() -> None:
    """Lets the next request bring a picture, if this one has."""
    turns: threading.BoundedSemaphore | None = g.pop("turn", None)
    if turns is not None:
        turns.release()


def may_bring_pictures() -> bool:
    """By the request's head alone."""
    return request.endpoint in LOOKUPS and request.mimetype == "multipart/form-data"


def sent_pictures() -> list[FileStorage]:
    """The pictures in the request's form. A field that was left empty arrives, too, as a file without a name."""
    return [file for file in request.files.getlist("picture") if file.filename]


def _is_large() -> bool:
    return request.content_length is None or request.content_length > MAX_FINGERPRINT_BYTES
