"""Pictures that come in to be looked up, and how many requests may bring some at a time.

A picture takes a process of the sandbox for seconds. So a request that brings one takes one of a few turns, and beyond them it is refused
at once: whatever comes in, most threads of a process are left for everything else. The turns are shared fairly: a client has one, and
strangers together never have the last. A try counts as a lookup before it is refused, and so does each further second that a picture
takes: whoever sends slow ones is soon past their limit (portal.limits). Fingerprints take no turn.
"""

import math
import threading

from flask import Flask, current_app, g, request
from werkzeug.datastructures import FileStorage

from demur.errors import DemurError
from portal import limits
from portal.bodies import body_of
from portal.fingerprints import MAX_FINGERPRINT_BYTES, lookups_asked

TURNS = 4
STRANGERS_TURNS = TURNS - 1
STRANGERS_S = 3.0
"""In which a stranger's picture is decoded. What a camera takes needs a tenth of it."""
MEMBERS_S = 10.0


class TooManyUploads(DemurError):
    """All turns of this process are taken, or this client has one already."""


class Turns:
    """Who has a turn. Used by many threads."""

    def __init__(self) -> None:
        self._strangers: set[str] = set()
        self._others: set[str] = set()
        self._lock = threading.Lock()

    def take(self, client: str, *, stranger: bool) -> bool:
        """False, where the client has one, or none is left for it."""
        with self._lock:
            taken = self._strangers | self._others
            if client in taken or len(taken) >= TURNS or (stranger and len(self._strangers) >= STRANGERS_TURNS):
                return False
            (self._strangers if stranger else self._others).add(client)
            return True

    def end(self, client: str) -> None:
        with self._lock:
            self._strangers.discard(client)
            self._others.discard(client)


def init_app(app: Flask) -> None:
    """Goes before whatever reads a request's body, and after who asks is known."""
    turns = Turns()

    @app.before_request
    def take_turn() -> None:
        if not body_of(app, request.endpoint).picture:
            return
        if not may_bring_pictures():
            return limits.charge(_lookups())
        limits.charge()
        if _is_large() or sent_pictures():
            client = limits.client()
            if not turns.take(client, stranger=limits.is_stranger()):
                raise TooManyUploads("Too many pictures are being read just now; please try again in a moment.")
            g.turn = turns, client
        if _lookups() > 1:
            limits.charge(_lookups() - 1)

    app.teardown_appcontext(lambda _error: end_turn())


def end_turn() -> None:
    """Lets the next request bring a picture, if this one has."""
    if "turn" in g:
        turns, client = g.pop("turn")
        turns.end(client)


def decoding_limit_s() -> float:
    """The seconds that the client's picture may take."""
    return STRANGERS_S if limits.is_stranger() else MEMBERS_S


def count_decoding(seconds: float) -> None:
    """Counts what a picture took: each second after the first as a lookup."""
    limits.count(max(0, math.ceil(seconds) - 1))


def may_bring_pictures() -> bool:
    """By the request's head alone."""
    return body_of(current_app, request.endpoint).picture and request.mimetype == "multipart/form-data"


def sent_pictures() -> list[FileStorage]:
    """The pictures in the request's form. A field that was left empty arrives, too, as a file without a name."""
    return [file for file in request.files.getlist("picture") if file.filename]


def _lookups() -> int:
    """Of this request. A form without scripts may bring several pictures, and a fingerprint may ask about several, too."""
    sent = request.get_data() if request.mimetype == "application/json" else request.form.get("fingerprint", "")
    return lookups_asked(sent) if sent else max(1, len(sent_pictures()))


def _is_large() -> bool:
    return request.content_length is None or request.content_length > MAX_FINGERPRINT_BYTES
