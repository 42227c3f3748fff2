"""A member's requests: each with its reference, its dated timeline, and the way back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required
from sqlalchemy import func, select
from werkzeug.exceptions import NotFound

from models import EndedBy, ExclusionListVersion, OptOutScope, RightsRequest
from portal.auth.member import account
from portal.database import db
from portal.formats import counted
from portal.limits import changes_opt_outs
from portal.request_story import Told, Waiting, events, law_of, photo_uids, told
from portal.site import now, site
from rights.copies import Copies, copies_of
from rights.deadlines import answer_by
from rights.denials import DenialReason
from rights.photo import Photo
from rights.photos import photos_among
from rights.reach_limits import Hold
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
"""Why an opt-out was ended by somebody else than the member, as the request's page says it."""
ENDERS = {EndedBy.OPERATOR: "the operator", EndedBy.PLATFORM: "the platform"}
"""And by whom."""
HELD = {
    Hold.COUNTLESS: "It has so many close copies that we cannot tell them apart",
    Hold.FINGERPRINT: "It resembles several photos that other members posted, and we have its fingerprint only: we never saw the picture",
    Hold.UNLIKE: "What it resembles of other members does not look alike, so we cannot tell what it shows",
    Hold.REACH: "It would take out many photos that other members posted",
    Hold.REQUEST: "Together with the rest of this request it would take out many photos that other members posted",
    Hold.DAY: "Together with what you opted out on the same day it would take out many photos that other members posted",
    Hold.CONTESTED: "Another member says that a photo which it took out is theirs",
}
"""Why a person must look first, as the request's page says it."""
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
    return render_template("requests/index.html", requests=requests, enders=ENDERS, page=page, pages=pages)


@blueprint.get("/requests/<public_id>")
@login_required
def one(public_id: str) -> str:
    found = _own(public_id)
    story, copies = told(found), copies_of(db(), found, account().owners)
    version = db().get(ExclusionListVersion, story.since) if story.since else None
    runs = request_runs(db(), site().runs, found)
    return render_template(
        "requests/one.html",
        told=story,
        copies=copies,
        pictured=_pictured(copies),
        events=events(story, version, runs),
        runs=runs,
        photos=_photos(found),
        law=law_of(found),
        due=answer_by(found.regime, found.kind, found.received_at),
        receipts=entries_of(db(), found),
        denials=DENIALS,
        enders=ENDERS,
        held=HELD,
    )


@blueprint.app_template_filter()
def subjects(waiting: Waiting) -> str:
    """What waits, counted: “1 picture you looked up”."""
    match waiting.scope:
        case OptOutScope.PICTURE:
            return f"{counted(waiting.count, 'picture')} you looked up"
        case OptOutScope.PHOTO:
            return f"copies of {counted(waiting.count, 'photo')}"
        case OptOutScope.OWNER:
            return "copies of your photos"


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
    return _shown(db().scalars(photo_uids(found).limit(SHOWN)).all())


def _pictured(copies: Copies) -> dict[str, Photo]:
    """By uid, the person's photos on both sides of the pairs that are shown."""
    uids = [uid for pair in copies.own for uid in (pair.original, pair.uid) if uid]
    return {photo.uid: photo for photo in _shown(list(dict.fromkeys(uids)))}


def _shown(uids: Sequence[str]) -> list[Photo]:
    return photos_among(db(), site().catalogues, site().runs, account().owners, uids)


def _own(public_id: str) -> RightsRequest:
    """The person's own request. Raises NotFound for someone else's: its existence is nobody's business."""
    found = db().scalar(select(RightsRequest).where(RightsRequest.public_id == public_id, RightsRequest.account_id == account().id))
    if found is None:
        raise NotFound
    return found
