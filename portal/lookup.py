"""Looking pictures up: does a manifest hold them, or close copies?

A browser sends a fingerprint, or the picture itself; both are forgotten with the request. Whoever is not signed in learns yes or no and
nothing else (portal.even_answers).
"""

import time
from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from demur.errors import DemurError
from demur.similarity.fingerprint import PictureError
from models import Account
from portal.auth.member import account
from portal.database import db
from portal.even_answers import wait_for_step
from portal.fingerprints import BadFingerprint, parse_fingerprint
from portal.selection import sign_picture
from portal.site import site
from rights.lookup import LookupResult, look_up, stands
from rights.optouts import Picture

FORM_PICTURES = 10  # of a form without scripts; a script sends them one by one
blueprint = Blueprint("lookup", __name__)


class NothingSent(DemurError):
    """The form has neither a picture nor a fingerprint."""


class TooManyPictures(DemurError):
    """More than ``FORM_PICTURES`` in one form."""


@dataclass(frozen=True)
class Answer:
    """What is told about one picture. ``problem``: why nothing can be. ``own`` and ``token`` (for objecting) are a member's alone."""

    name: str
    problem: str = ""
    found: bool = False
    own: LookupResult | None = None
    token: str = ""


@blueprint.get("/lookup")
def form() -> str:
    return render_template("lookup/form.html", problem="")


@blueprint.post("/lookup")
def search() -> ResponseReturnValue:
    """Without scripts a page about all pictures sent; with ``part`` in the form, one picture's part of that page."""
    began = time.perf_counter()  # the form was read to its end when its token was checked
    member = account() if current_user.is_authenticated else None
    try:
        answers = _answers(member)
    except (NothingSent, TooManyPictures, BadFingerprint) as refused:
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
    """Raises NothingSent, TooManyPictures, BadFingerprint."""
    if request.form.get("fingerprint"):
        return [_answer("", parse_fingerprint(request.form["fingerprint"]), member)]
    files = [file for file in request.files.getlist("picture") if file.filename]
    if not files:
        raise NothingSent("Choose a picture first.")
    if len(files) > FORM_PICTURES:
        raise TooManyPictures(f"Without scripts, please choose at most {FORM_PICTURES} pictures at once.")
    return [_read_and_answer(file.filename or "", file.read(), member) for file in files]


def _read_and_answer(name: str, data: bytes, member: Account | None) -> Answer:
    try:
        return _answer(name, read_picture(data), member)
    except PictureError as refused:
        return Answer(name, problem=str(refused))


def _answer(name: str, picture: Picture, member: Account | None) -> Answer:
    if member is None:
        return Answer(name, found=stands(db(), site().catalogues, picture.query))
    own = look_up(db(), site().catalogues, picture.query, member.owners)
    return Answer(name, found=own.found, own=own, token=sign_picture(picture, member))


def read_picture(data: bytes) -> Picture:
    """The picture of an encoded file. Raises PictureError, SandboxBusy, SandboxCannotStart."""
    read = site().sandbox.read(data)
    return Picture(read.query, read.fingerprint.width, read.fingerprint.height)
