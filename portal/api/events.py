"""The platform's webhook: photos deleted or made private, accounts closed.

``Demur-Signature: t=<unix seconds>,v1=<hex>``, where v1 is HMAC-SHA256 with the shared secret over ``"<t>." + body``. A signature is
good for five minutes; an event that arrives twice is known by its id and changes nothing.
"""

import hashlib
import hmac
import json
import re
from datetime import datetime

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest, Forbidden, NotFound

from portal.database import db
from portal.site import now, site
from rights.platform_events import BadPlatformEvent, Event, EventKind, Outcome, receive_event

TOLERANCE_S = 300
MAX_BYTES = 64_000
_HEADER = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


def add_routes(blueprint: Blueprint) -> None:
    blueprint.add_url_rule("/platform-events", "platform_event", platform_event, methods=["POST"])


def platform_event() -> tuple[Response, int]:
    secret = site().config.webhook_secret
    if not secret:
        raise NotFound
    request.max_content_length = MAX_BYTES
    body = request.get_data()
    check_signature(request.headers.get("Demur-Signature", ""), body, secret, now().timestamp())
    try:
        outcome = receive_event(db(), parse_event(body), now())
    except BadPlatformEvent as error:
        raise BadRequest(str(error)) from error
    return jsonify(received=True, new=outcome is not Outcome.KNOWN, ignored=outcome is Outcome.IGNORED), 202


def parse_event(body: bytes) -> Event:
    """An event from its JSON: ``event_id``, ``kind``, ``owner``, ``uid`` (not for a closed account), ``occurred_at`` (RFC 3339).

    Raises BadRequest.
    """
    try:
        fields = json.loads(body)
        kind, occurred_at = EventKind(fields["kind"]), datetime.fromisoformat(fields["occurred_at"])
        texts = [fields["event_id"], fields["owner"], fields.get("uid", "")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadRequest("the event is not JSON with event_id, kind, owner, uid and occurred_at") from error
    if not all(isinstance(text, str) for text in texts) or occurred_at.tzinfo is None:
        raise BadRequest("event_id, owner and uid are text, and occurred_at has a time zone")
    event_id, owner, uid = texts
    return Event(event_id=event_id, kind=kind, owner=owner, uid=uid, occurred_at=occurred_at)


def check_signature(header: str, body: bytes, secret: str, at: float) -> None:
    """Returns when the signature fits the body and is fresh. ``at`` in unix seconds. Raises Forbidden."""
    found = _HEADER.fullmatch(header)
    if not found:
        raise Forbidden("a Demur-Signature header of the form t=…,v1=… is needed")
    if abs(at - int(found[1])) > TOLERANCE_S:
        raise Forbidden("the signature is too old")
    expected = hmac.new(secret.encode(), found[1].encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, found[2]):
        raise Forbidden("the signature does not fit the body")
