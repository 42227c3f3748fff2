"""Looking pictures up: does a manifest hold them, or close copies?

A browser sends a fingerprint, or the picture itself; both are forgotten with the request. Whoever is not signed in learns yes or no and
nothing else (portal.even_answers).
"""

import time
from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.datastructures import FileStorage

from demur.errors import DemurError
from demur.similarity.fingerprint import PictureError
from demur.similarity.sandbox import SandboxBusy
from models import Account
from portal.auth.member import account
from portal.bodies import takes
from portal.database import db
from portal.even_answers import wait_for_step
from portal.fingerprints import MAX_FINGERPRINT_BYTES, BadFingerprint, parse_fingerprint
from portal.selection import MOST_PICTURES, sign_picture
from portal.site import site
from portal.uploads import count_decoding, decoding_limit_s, sent_pictures
from rights.lookup import LookupResult, SearchLimit, look_up, search_limit, stands
from rights.optouts import Picture

FORM_PICTURES = 10  # of a form without scripts; a script sends them one by one
FORM_S = 10.0  # in which all of them are decoded, or the rest is left; each has its own time besides
blueprint = Blueprint("lookup", __name__)


class NothingSent(DemurError):
    """The form has neither a picture nor a fingerprint."""


class TooManyPictures(DemurError):
    """More than ``FORM_PICTURES`` in one form."""


@dataclass(frozen=True)
class Answer:
    """What is told about one picture. ``problem``: why nothing can be. ``limit``: why less than usual could be found. ``own`` and ``token``
    (for objecting) are a member's alone."""

    name: str
    problem: str = ""
    found: bool = False
    limit: SearchLimit | None = None
    own: LookupResult | None = None
    token: str = ""


@blueprint.context_processor
def limits() -> dict[str, int]:
    return {"form_pictures": FORM_PICTURES, "most_pictures": MOST_PICTURES}


@blueprint.get("/lookup")
def form() -> ResponseReturnValue:
    """May be gone back to with its answers, which are in the page alone; its script asks first whether the person is still signed in."""
    return render_template("lookup/form.html", problem=""), {"Cache-Control": "private, no-cache"}


@blueprint.post("/lookup")
@takes(3 * MAX_FINGERPRINT_BYTES, picture=True)  # a fingerprint is percent-encoded in a form
def search() -> ResponseReturnValue:
    """Without scripts a page about all pictures sent; with ``part`` in the form, one picture's part of that page."""
    began = time.perf_counter()  # the form was read to its end when its token was checked: how long it took to come is the sender's matter
    member = account() if current_user.is_authenticated else None
    try:
        answers = _answers(member)
    except (NothingSent, TooManyPictures, BadFingerprint, PictureError) as refused:
        answers = [Answer("", problem=str(refused))]
    if request.form.get("part"):
        page = render_template("lookup/answer.html", answer=answers[0])
    elif len(answers) == 1 and answers[0].problem:
        page = render_template("lookup/form.html", problem=answers[0].problem)
    else:
        page = render_template("lookup/result.html", answers=answers)
    if member is None:
        wait_for_step(began)
    return page, 422 if all(answer.problem for answer in answers) else 200


def _answers(member: Account | None) -> list[Answer]:
    """Raises NothingSent, TooManyPictures, BadFingerprint; of a single picture PictureError, SandboxBusy; SandboxCannotStart."""
    if request.form.get("fingerprint"):
        return [_answer("", parse_fingerprint(request.form["fingerprint"]), member)]
    files = sent_pictures()
    if not files:
        raise NothingSent("Choose a picture first.")
    if len(files) > FORM_PICTURES:
        raise TooManyPictures(f"Without scripts, please choose at most {FORM_PICTURES} pictures at once.")
    if len(files) == 1:
        return [_answer(files[0].filename or "", read_picture(files[0].read()), member)]
    until = time.monotonic() + FORM_S
    return [_one_of_several(file, until, member) for file in files]


def _one_of_several(file: FileStorage, until: float, member: Account | None) -> Answer:
    """The answer, or why there is none: what one picture meets with does not take the others' answers away."""
    name, left = file.filename or "", until - time.monotonic()
    if left <= 0:
        return Answer(name, problem="The pictures before it took all our time; please send this one again.")
    try:
        return _answer(name, read_picture(file.read(), left), member)
    except (PictureError, SandboxBusy) as refused:
        return Answer(name, problem=str(refused))


def _answer(name: str, picture: Picture, member: Account | None) -> Answer:
    limit = search_limit(db(), site().catalogues, picture.query)
    if member is None:
        return Answer(name, found=stands(db(), site().catalogues, picture.query), limit=limit)
    own = look_up(db(), site().catalogues, picture.query, member.owners)
    return Answer(name, found=own.found, limit=limit, own=own, token=sign_picture(picture, member))


def read_picture(data: bytes, seconds: float | None = None) -> Picture:
    """The picture of an encoded file, decoded within ``seconds``. Raises PictureError, SandboxBusy, SandboxCannotStart."""
    most = decoding_limit_s()
    read = site().sandbox.read(data, most if seconds is None else min(seconds, most), took=count_decoding)
    return Picture(read.query, read.fingerprint.width, read.fingerprint.height, decoded=True)
