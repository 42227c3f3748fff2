"""Consumers of the exclusion list say which version they applied, and what that dropped.

``{"version": 7, "root": "<64 hex>", "manifest": "train.parquet", "rows": 1000, "dropped": 3}``, and nothing else.
"""

import json
import re
from typing import Any

from flask import Blueprint, Response, jsonify, request

from demur.errors import DemurError
from demur.exclusions.acknowledging import LONGEST_NAME
from portal.api.tokens import require
from portal.database import db
from portal.site import now
from rights.consumers import Application, NotPublished, acknowledge
from rights.tokens import Scope

_FIELDS = {"version", "root", "manifest", "rows", "dropped"}
_ROOT = re.compile("[0-9a-f]{64}")
_MOST = 2**53 - 1  # what every JSON reader can hold


class BadAcknowledgement(DemurError):
    """What was sent does not say which version was applied to what."""


def add_routes(blueprint: Blueprint) -> None:
    blueprint.add_url_rule("/exclusion-list/acknowledgements", "acknowledge_list", acknowledge_list, methods=["POST"])


def acknowledge_list() -> tuple[Response, int]:
    token = require(Scope.LIST_READ)
    try:
        application = parse_acknowledgement(request.get_data())
        newest = acknowledge(db(), token, application, now())
    except (BadAcknowledgement, NotPublished) as refused:
        return jsonify(error=type(refused).__name__, detail=str(refused)), 422
    return jsonify(version=application.version, newest=newest), 201


def parse_acknowledgement(body: bytes) -> Application:
    """Raises BadAcknowledgement."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadAcknowledgement("The acknowledgement is not JSON.") from error
    _require(isinstance(sent, dict) and set(sent) == _FIELDS, f"it has exactly the fields {', '.join(sorted(_FIELDS))}")
    _require(_is_count(sent["version"]) and sent["version"] > 0, "version is the number of a version")
    _require(isinstance(sent["root"], str) and _ROOT.fullmatch(sent["root"]) is not None, "root is 64 hexadecimal digits in small letters")
    _require(_is_name(sent["manifest"]), f"manifest is a name of at most {LONGEST_NAME} printable characters")
    _require(_is_count(sent["rows"]) and _is_count(sent["dropped"]), "rows and dropped are whole numbers")
    _require(sent["dropped"] <= sent["rows"], "no more rows are dropped than there are")
    return Application(**sent)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST


def _is_name(value: Any) -> bool:
    """It is printed on the operator's terminal."""
    return isinstance(value, str) and value.isprintable() and len(value) <= LONGEST_NAME


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise BadAcknowledgement(f"The acknowledgement is not as it should be: {rule}.")
