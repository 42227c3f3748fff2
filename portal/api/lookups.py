"""Looking a picture up over the API: the file itself, or its fingerprint as JSON (portal.fingerprints).

A stranger, and a partner with a token of the scope ``lookup:read``, learns yes or no. A signed-in member, known by the session's cookie
and a form token in the header ``X-CSRFToken``, learns which of their photos it is.
"""

import json
import time
from dataclasses import asdict

from flask import Blueprint, Response, current_app, jsonify, request
from flask_login import current_user
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from demur.similarity.fingerprint import PictureError
from models import Account
from portal.api.tokens import require
from portal.auth.member import account
from portal.bodies import takes
from portal.database import db
from portal.even_answers import evenly, wait_for_step
from portal.fingerprints import MAX_FINGERPRINT_BYTES, BadFingerprint, parse_fingerprint
from portal.lookup import read_picture
from portal.site import site
from portal.uploads import sent_pictures
from rights.lookup import look_up, search_limit, stands
from rights.optouts import Picture
from rights.tokens import Scope


def add_routes(blueprint: Blueprint) -> None:
    blueprint.add_url_rule("/lookups", "look_up", look_up_picture, methods=["POST"])


@takes(MAX_FINGERPRINT_BYTES, picture=True)
def look_up_picture() -> tuple[Response, int]:
    _receive()  # all of it, before the clock starts (portal.even_answers)
    began = time.perf_counter()
    member = _member()
    try:
        picture = _picture()
    except (PictureError, BadFingerprint) as refused:
        return jsonify(error=type(refused).__name__, detail=str(refused)), 422
    limit = search_limit(db(), site().catalogues, picture.query)
    limited = {"limit": limit.value} if limit is not None else {}
    if member is not None:
        result = look_up(db(), site().catalogues, picture.query, member.owners)
        return jsonify(found=result.found, elsewhere=result.others, matches=[asdict(match) for match in result.own], **limited), 200
    found = stands(db(), site().catalogues, picture.query)
    wait_for_step(began)
    yes, no = (json.dumps({"found": answer, **limited}) for answer in (True, False))
    return Response(evenly(found, yes, no), mimetype="application/json"), 200


def _member() -> Account | None:
    """Who asks; None for a stranger or a partner. Raises Unauthorized, Forbidden, CSRFError.

    A cookie alone is not enough: any site could have it sent.
    """
    if request.authorization is not None:
        require(Scope.LOOKUP_READ)
        return None
    if not current_user.is_authenticated:
        return None
    current_app.extensions["csrf"].protect()
    return account()


def _receive() -> None:
    """Raises RequestEntityTooLarge, UnsupportedMediaType."""
    if request.mimetype not in ("application/json", "multipart/form-data"):
        raise UnsupportedMediaType("send the picture as multipart/form-data, or its fingerprint as application/json")
    request.get_data(parse_form_data=True)


def _picture() -> Picture:
    """Raises PictureError, BadFingerprint, BadRequest, SandboxBusy, SandboxCannotStart."""
    if request.mimetype == "application/json":
        return parse_fingerprint(request.get_data())
    pictures = sent_pictures()
    if not pictures:
        raise BadRequest("the form needs the file picture")
    return read_picture(pictures[0].read())
