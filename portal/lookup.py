"""Looking up one picture: does a manifest hold it, or a close copy?

The picture is read from memory and forgotten with the request. Whoever is not signed in learns yes or no and nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from demur.similarity.fingerprint import PictureError, fingerprint
from models import Account
from portal.auth.member import account
from portal.database import db
from portal.selection import sign_picture
from portal.site import site
from rights.hashes import asked
from rights.lookup import LookupResult, look_up, stands
from rights.optouts import Picture

AT_ONCE = 2  # a lookup decodes megapixels and scans an index: more at a time would starve everyone's pages
WAIT_S = 5
blueprint = Blueprint("lookup", __name__)
_turns = BoundedSemaphore(AT_ONCE)


class Busy(Exception):
    """Too many lookups are running in this process."""


@blueprint.get("/lookup")
def form() -> str:
    return render_template("lookup/form.html", problem="")


@blueprint.post("/lookup")
def search() -> ResponseReturnValue:
    sent = next((file for file in request.files.getlist("picture") if file.filename), None)
    if sent is None:
        return render_template("lookup/form.html", problem="Choose a picture first."), 422
    with _turn():
        try:
            found = fingerprint(sent.read())
        except PictureError as refused:
            return render_template("lookup/form.html", problem=str(refused)), 422
        picture = Picture(asked(found), found.width, found.height)
        member = account() if current_user.is_authenticated else None
        if member:
            result = look_up(db(), site().catalogues, picture.query, member.owners)
        else:
            result = LookupResult((), stands(db(), site().catalogues, picture.query))
    return render_template("lookup/result.html", result=result, picture=_for_opt_out(picture, member), fingerprint=found)


def _for_opt_out(found: Picture, member: Account | None) -> str:
    return sign_picture(found, member) if member else ""


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=WAIT_S):
        raise Busy
    try:
        yield
    finally:
        _turns.release()
