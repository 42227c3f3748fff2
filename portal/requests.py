"""A member's requests: each with its reference, its dated timeline, and the way back."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required
from sqlalchemy import select
from werkzeug.exceptions import NotFound

from models import ExclusionListVersion, RightsRequest
from portal.auth.member import account
from portal.database import db
from portal.limits import changes_opt_outs
from portal.receipts import TITLES
from portal.request_story import law_of, left_out_by, photo_uids, told
from portal.site import now, site
from rights.deadlines import answer_by
from rights.photo import Photo, PhotoNotFound
from rights.photos import get_photos
from rights.receipts import entries_of
from rights.withdrawals import NothingToWithdraw, withdraw_request

SHOWN = 24  # photos shown on a request's page
blueprint = Blueprint("requests", __name__)


@blueprint.get("/requests")
@login_required
def index() -> str:
    own = select(RightsRequest).where(RightsRequest.account_id == account().id).order_by(RightsRequest.id.desc())
    return render_template("requests/index.html", requests=[told(found) for found in db().scalars(own)])


@blueprint.get("/requests/<public_id>")
@login_required
def one(public_id: str) -> str:
    found = _own(public_id)
    story = told(found)
    return render_template(
        "requests/one.html",
        told=story,
        version=db().get(ExclusionListVersion, story.since) if story.since else None,
        runs=left_out_by(found, story.since),
        photos=_photos(found),
        law=law_of(found),
        due=answer_by(found.regime, found.kind, found.received_at),
        receipts=entries_of(db(), found),
        titles=TITLES,
    )


@blueprint.post("/requests/<public_id>/withdraw")
@login_required
@changes_opt_outs
def withdraw(public_id: str) -> ResponseReturnValue:
    try:
        withdraw_request(db(), account(), _own(public_id), now())
    except NothingToWithdraw:
        flash("Nothing of this request stands any more.", "problem")
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
