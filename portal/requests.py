"""A member's requests: each with its reference, its dated timeline, and the way back."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required
from sqlalchemy import func, select
from werkzeug.exceptions import NotFound

from models import ExclusionListVersion, RightsRequest
from portal.auth.member import account
from portal.database import db
from portal.limits import changes_opt_outs
from portal.receipts import TITLES
from portal.request_story import Told, law_of, photo_uids, told
from portal.site import now, site
from rights.deadlines import answer_by
from rights.denials import DenialReason
from rights.photo import Photo, PhotoNotFound
from rights.photos import get_photos
from rights.receipts import entries_of
from rights.request_runs import request_runs
from rights.withdrawals import NothingToWithdraw, withdraw_request

PER_PAGE = 30
SHOWN = 24  # photos shown on a request's page
DENIALS = {
    DenialReason.SUSPECTED_FRAUD: "it looks like fraud",
    DenialReason.INSUFFICIENT_VERIFICATION: "we could not verify that the pictures are yours",
    DenialReason.NO_MATCH: "it matches nothing of yours",
    DenialReason.CLAIM_NOT_COVERED: "the law does not cover it",
    DenialReason.TOO_MANY_REQUESTS: "there were too many requests",
    DenialReason.OTHER: "for another reason, which the operator tells you when you ask",
}
"""Why the operator ended an opt-out, as the request's page says it."""
blueprint = Blueprint("requests", __name__)


@dataclass(frozen=True)
class Listed:
    """A request as the list of them shows it. ``due``: by when the law wants it answered."""

    told: Told
    due: datetime


@blueprint.get("/requests")
@login_required
def index() -> str:
    own = RightsRequest.account_id == account().id
    total = db().scalar(select(func.count(RightsRequest.id)).where(own)) or 0
    pages = max(1, ceil(total / PER_PAGE))
    page = min(max(1, request.args.get("page", 1, type=int)), pages)
    some = select(RightsRequest).where(own).order_by(RightsRequest.id.desc()).limit(PER_PAGE).offset((page - 1) * PER_PAGE)
    requests = [Listed(told(one), answer_by(one.regime, one.kind, one.received_at)) for one in db().scalars(some).all()]
    return render_template("requests/index.html", requests=requests, page=page, pages=pages)


@blueprint.get("/requests/<public_id>")
@login_required
def one(public_id: str) -> str:
    found = _own(public_id)
    story = told(found)
    return render_template(
        "requests/one.html",
        told=story,
        version=db().get(ExclusionListVersion, story.since) if story.since else None,
        runs=request_runs(db(), site().runs, found),
        photos=_photos(found),
        law=law_of(found),
        due=answer_by(found.regime, found.kind, found.received_at),
        receipts=entries_of(db(), found),
        titles=TITLES,
        denials=DENIALS,
    )


@blueprint.post("/requests/<public_id>/withdraw")
@login_required
@changes_opt_outs
def withdraw(public_id: str) -> ResponseReturnValue:
    try:
        withdraw_request(db(), account(), _own(public_id), now())
    except NothingToWithdraw:
        flash("Nothing of this request is in force any more.", "problem")
    else:
        flash("Withdrawn. From its next version on, the exclusion list names nothing because of this request.", "done")
    return redirect(url_for("requests.one", public_id=public_id), 303)


def _photos(found: RightsRequest) -> list[Photo]:
    """The first photos of the request; none when a manifest that held one is gone, which changes nothing about the opt-out."""
    uids = db().scalars(photo_uids(found).limit(SHOWN)).all()
    try:
        return get_photos(db(), site().catalogues, site().runs, account().owners, uids)
    except PhotoNotFound:
        return []


def _own(public_id: str) -> RightsRequest:
    """The person's own request. Raises NotFound for someone else's: its existence is nobody's business."""
    found = db().scalar(select(RightsRequest).where(RightsRequest.public_id == public_id, RightsRequest.account_id == account().id))
    if found is None:
        raise NotFound
    return found
