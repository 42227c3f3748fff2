"""The one door for training runs: a signed run record with the samples it consumed, from our model or anyone's."""

from contextlib import closing
from pathlib import Path

import structlog
from flask import Blueprint, Response, jsonify, request, url_for
from werkzeug.exceptions import BadRequest

from demur.errors import DemurError
from demur.runs.record import MOST_BYTES
from portal.api.tokens import require
from portal.bodies import takes
from portal.database import db
from portal.site import now, site
from rights.runs import record_run
from rights.tokens import Scope

MAX_BYTES = 64_000_000_000  # consumed samples take 33 bytes each: this is close to two billion
logger = structlog.get_logger("portal")


def add_routes(blueprint: Blueprint) -> None:
    blueprint.add_url_rule("/training-runs", "record_training_run", record_training_run, methods=["POST"])


@takes(MAX_BYTES, scope=Scope.RUNS_WRITE, spooled=True)
def record_training_run() -> tuple[Response, int]:
    """Multipart with ``record`` (DSSE envelope) and ``consumed`` (docs/formats/run-record.md). The same record twice changes nothing."""
    require(Scope.RUNS_WRITE)
    if "record" not in request.files or "consumed" not in request.files:
        raise BadRequest("the form needs the files record and consumed")
    with closing(request.files["record"]) as record, closing(request.files["consumed"]) as consumed:
        consumed.stream.flush()
        path = Path(consumed.stream.name)  # a named temporary file, see portal.security
        try:
            run = record_run(db(), site().runs, record.read(MOST_BYTES + 1), path, keys=site().keys.run_signers(), now=now())
        except DemurError as refused:
            logger.warning("run_record_refused", error=type(refused).__name__)
            return jsonify(error=type(refused).__name__, detail=str(refused)), 422
    return jsonify(id=run.public_id, name=run.name, url=url_for("runs.one", public_id=run.public_id)), 201
