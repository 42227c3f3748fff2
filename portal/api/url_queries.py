"""Asking in bulk whether addresses are opted out, in the protocol of Spawning's API (https://opts-api.spawningaiapi.com/docs), so that its
clients, such as datadiligence, need only another address.

One address a line, whatever the content type; one answer a line, in that order, so that a client may go by positions: what stands twice
is answered twice, and an empty line is answered, too. The key is sent as ``Authorization: API KEY``; ``Bearer KEY`` and a bare key will do.
"""

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from portal.api.tokens import require_key
from portal.bodies import takes
from portal.database import db
from rights.listed_urls import listed_urls
from rights.tokens import Scope

MAX_URLS = 10_000
MAX_BYTES = 2_000_000
_SCHEMES = frozenset({"api", "bearer"})

blueprint = Blueprint("api_v2", __name__, url_prefix="/api/v2")


@blueprint.post("/query/urls/", strict_slashes=False)
@takes(MAX_BYTES)
def query_urls() -> Response:
    require_key(key_of(request.headers.get("Authorization", "")), Scope.LIST_READ)
    urls = _asked()
    opted_out = listed_urls(db(), urls)
    # Clients read both fields. Nobody opts in here: what is not opted out is what nobody objected to.
    return jsonify(urls=[{"url": url, "optOut": url in opted_out, "optIn": False} for url in urls])


def key_of(header: str) -> str | None:
    """The key in an Authorization header."""
    scheme, _, rest = header.strip().partition(" ")
    if rest:
        return rest.strip() if scheme.lower() in _SCHEMES else None
    return scheme or None


def lines_of(text: str) -> list[str]:
    """The lines of a body, ended by LF or CR LF; an end after the last one begins no further line."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def _asked() -> list[str]:
    """Raises RequestEntityTooLarge, BadRequest."""
    too_much = f"ask for at most {MAX_URLS:,} addresses in {MAX_BYTES:,} bytes at a time"
    try:
        urls = lines_of(request.get_data().decode())
    except RequestEntityTooLarge as error:
        raise RequestEntityTooLarge(too_much) from error
    except UnicodeDecodeError as error:
        raise BadRequest("the addresses are not UTF-8 text") from error
    if len(urls) > MAX_URLS:
        raise RequestEntityTooLarge(too_much)
    return urls
