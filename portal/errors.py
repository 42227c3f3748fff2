"""One table from what can go wrong to what the person reads."""

from dataclasses import dataclass, replace
from typing import Any

import structlog
from flask import Flask, Response, current_app, jsonify, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_limiter import RateLimitExceeded
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, InternalServerError

from config import MEGABYTE
from demur.errors import DemurError
from demur.exclusions import ListRefused
from demur.exclusions.exports import UnfitForExport
from demur.manifests import DamagedTables, ManifestError, NotACatalogue
from demur.similarity.sandbox import SandboxBusy, SandboxCannotStart
from portal.address import OtherHost
from portal.api.exclusion_list import ExportBusy
from portal.auth.going_on import keep_form
from portal.auth.refusals import ProviderUnreachable, SignInRefused
from portal.form_tokens import FormTokenRefused, SentFromElsewhere
from portal.limits import CHANGES_TOGETHER, WORK_TOGETHER, is_stranger, retry_after
from portal.receipts import NotYetInTheLog
from portal.selection import MOST_PICTURES, TooManyChosen
from portal.sessions import current_session
from portal.site import site
from portal.uploads import TooManyUploads, may_bring_pictures
from portal.verify import TooManyChecks
from rights.catalogues import IndexIncomplete
from rights.photo import PhotoNotFound
from rights.public_keys import DamagedKey, KeyOfAnotherRole
from rights.ticks import MOST, TooManyTicked

logger = structlog.get_logger("portal")


@dataclass(frozen=True)
class Problem:
    status: int
    title: str
    text: str
    again: bool = False  # whether trying again may help
    at: str = ""  # where to try again, if that is not the same address


NOT_FOUND = Problem(404, "There is no such page", "The address may be mistyped, or the page is for another person.")
FAULT = Problem(
    500,
    "Something broke on our side",
    "Nothing you sent was saved, so nothing is half done. We keep a record of the fault, without your personal data.",
    again=True,
)
TOO_MUCH = Problem(
    413,
    "That is too much for one request",
    f"Please go back and choose fewer: a request takes up to {MOST_PICTURES} pictures that you looked up. Make another one for the rest.",
)
PICTURE_TOO_LARGE = Problem(413, "That picture is too large", "We take up to {megabytes} MB. Please send a smaller copy of the picture.")
BUSY_READING = Problem(503, "Many people are looking right now", "Please wait a few seconds and try again.", again=True)
BAD_CATALOGUE = Problem(
    503,
    "Your photos cannot be shown right now",
    "A file by which we find them is damaged, and we will not show you some of them as if they were all. Your opt-outs are safe.",
    again=True,
)
BAD_KEY = Problem(503, "A key of this website is not as it must be", "Nothing that it verifies is shown until the operator repairs it.")
BY_STATUS = {
    400: Problem(400, "We could not read that", "Something in the address or the form was missing or malformed."),
    401: Problem(401, "Please sign in", "This page is for people who are signed in."),
    403: Problem(403, "This is not yours to open", "You are signed in, but this page belongs to someone else."),
    404: NOT_FOUND,
    405: Problem(405, "That is not how this page works", "Please go back and use the buttons on the page."),
    413: TOO_MUCH,
    429: Problem(429, "That was a lot of lookups", "Please wait a moment before the next one.", again=True),
    500: FAULT,
}
BY_ERROR: dict[type[Exception], Problem] = {
    PhotoNotFound: Problem(
        404, "We know no such photo of yours", "It is in none of the training lists that are registered here, under your account."
    ),
    FormTokenRefused: Problem(
        400,
        "This form is out of date",
        "It was opened before you signed in or out. Open the page again, and send it from there.",
    ),
    SentFromElsewhere: Problem(
        403, "Another website sent this; open the page here", "Nothing was changed. We take forms from this website’s own pages only."
    ),
    SignInRefused: Problem(
        400, "Signing in did not work", "The sign-in page sent you back without a valid answer. Nothing was changed.", again=True
    ),
    ProviderUnreachable: Problem(
        503,
        "Signing in is not possible right now",
        "The page where you sign in does not answer. Your photos and opt-outs are safe. You can look up a picture without signing in.",
        again=True,
    ),
    TooManyChosen: TOO_MUCH,
    TooManyTicked: Problem(
        413,
        "Those are too many photos at once",
        f"Up to {MOST:,} can be chosen together. To opt out more, choose all your photos, now and later; then put back what may be used.",
    ),
    SandboxBusy: BUSY_READING,
    TooManyUploads: BUSY_READING,
    SandboxCannotStart: Problem(
        503, "We cannot read pictures right now", "Where your browser reads them on your device, looking up works as ever.", again=True
    ),
    IndexIncomplete: Problem(
        503,
        "Looking up is not possible right now",
        "Part of what we would search is missing, and we will not say no to a picture that we did not look for. Your opt-outs are safe.",
        again=True,
    ),
    NotYetInTheLog: Problem(
        503, "The transparency log does not hold it yet", "Its receipt is ready in a second or two. Please try again.", again=True
    ),
    OtherHost: Problem(421, "This is not the address of this website", "Please open it at its own address."),
    DamagedKey: BAD_KEY,
    KeyOfAnotherRole: BAD_KEY,
    DamagedTables: BAD_CATALOGUE,
    NotACatalogue: BAD_CATALOGUE,
    ListRefused: Problem(
        503, "A published file of this website is damaged", "Nothing is shown that rests on it until the operator repairs it."
    ),
    TooManyChecks: BUSY_READING,
    ExportBusy: Problem(503, "Another file of the list is being made", "Please ask again in a few seconds.", again=True),
    UnfitForExport: Problem(409, "This form cannot hold the whole list", "Please take another one: CSV and JSONL hold every entry."),
}
TOO_MUCH_WORK = Problem(429, "That was a lot of checking", "Please wait a moment before the next one.", again=True)
TOO_MANY_CHANGES = Problem(
    429,
    "That was a lot of changes",
    "This one was not made. Please wait a moment, and choose many photos at once: they are one request.",
    again=True,
)
BUSY = Problem(503, "We are busy for a moment", "The database does not answer. Nothing was changed.", again=True)

KEPT_HEADERS = ("WWW-Authenticate", "Allow", "Content-Range")
"""What an error tells clients of HTTP besides its page."""


def init_app(app: Flask) -> None:
    for error in BY_ERROR:
        app.register_error_handler(error, _named)
    app.register_error_handler(OperationalError, unavailable)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(RateLimitExceeded, _rate_limited)


def unavailable(error: OperationalError) -> Response:
    """The database is away or locked, in the view or when the session is read or saved."""
    logger.warning("unavailable", endpoint=request.endpoint, error=type(error.orig).__name__)
    return show(BUSY)


def _named(error: Exception) -> ResponseReturnValue:
    problem = next(BY_ERROR[kind] for kind in type(error).__mro__ if kind in BY_ERROR)
    if isinstance(error, FormTokenRefused) and current_session().entered and not request.path.startswith("/api/") and keep_form():
        return redirect(url_for("auth.go_on"), 303)  # signed in anew since the form was opened
    if isinstance(error, SignInRefused):
        logger.warning("sign_in_refused", reason=str(error), look_at=error.look_at)
        problem = replace(problem, at=error.again or url_for("auth.sign_in"))  # a failed answer stays failed: this begins a new sign-in
    if problem.status >= 500:
        logger.warning("unavailable", endpoint=request.endpoint, error=type(error).__name__, **_facts(error))
    return show(problem, str(error) if isinstance(error, DemurError) else "")


def _facts(error: Exception) -> dict[str, Any]:
    """Why, for a log that names nobody: in words, but of a manifest's files, whose names are people's, by the lines of code."""
    if isinstance(error, ManifestError):
        return {"exc_info": error}
    return {"reason": str(error)} | ({"look_at": error.look_at} if isinstance(error, ProviderUnreachable) else {})


def _rate_limited(error: RateLimitExceeded) -> Response:
    problem = {CHANGES_TOGETHER: TOO_MANY_CHANGES, WORK_TOGETHER: TOO_MUCH_WORK}.get(str(error.limit.scope), BY_STATUS[429])
    if is_stranger() and problem is BY_STATUS[429]:
        problem = replace(problem, text=f"{problem.text} Signed in, you can look up many more.")
    response = show(problem, f"at most {error.limit.limit} from one client")
    response.headers["Retry-After"] = str(retry_after())
    return response


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error
    if isinstance(error, InternalServerError):
        return show(FAULT)
    known = _picture_too_large() if error.code == 413 and may_bring_pictures() else BY_STATUS.get(error.code)
    response = show(known or replace(BY_STATUS[400], status=error.code), error.description or "")
    response.headers.extend((name, value) for name, value in error.get_headers() if name in KEPT_HEADERS)
    return response


def _picture_too_large() -> Problem:
    return replace(PICTURE_TOO_LARGE, text=PICTURE_TOO_LARGE.text.format(megabytes=site().config.max_upload_bytes // MEGABYTE))


def _page(problem: Problem) -> str:
    """Rendered without Flask's context processors: who is signed in is in the database, which may be what broke."""
    return current_app.jinja_env.get_template("error.html").render(problem=problem)


def show(problem: Problem, detail: str = "") -> Response:
    """The problem as a page, or as JSON for a machine. What broke on our side is the log's alone: its words may name our files."""
    if request.path.startswith("/api/"):
        detail = detail if problem.status < 500 else ""
        response = make_response(jsonify(error=problem.title, detail=detail))
    else:
        response = make_response(_page(problem))
    response.status_code = problem.status
    if problem.status in (429, 503):
        response.headers["Retry-After"] = "10"
    return response
