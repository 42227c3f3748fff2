"""My photos: the grid, and one photo with its dated history."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required
from sqlalchemy import select
from werkzeug.exceptions import NotFound

from demur.runs import InclusionProof
from models import TrainingRun
from portal import pictures
from portal.auth.member import account
from portal.database import db
from portal.filters import STATUSES, read_filter, write_filter
from portal.neighbours import neighbours
from portal.progress import under_way
from portal.site import now, site
from rights.evidence import run_lines
from rights.history import photo_history
from rights.owned import find_owned
from rights.photos import get_photo, list_photos
from rights.proposals import Decider, ProposalNotFound, accept_proposal, decline_proposal, proposals_for
from rights.runs import NotRecorded, consumption_proof, recorded_runs
from rights.withdrawals import NothingToWithdraw, withdraw_photo

PER_PAGE = 48
blueprint = Blueprint("photos", __name__)
blueprint.add_url_rule("/photos/<uid:uid>/thumbnail", view_func=pictures.thumbnail)
blueprint.add_url_rule("/photos/<uid:uid>/picture", view_func=pictures.picture)


@blueprint.get("/photos")
@login_required
def index() -> str:
    wanted = read_filter(request.args)
    number = request.args.get("page", 1, type=int)
    page = list_photos(db(), site().catalogues, site().runs, account().owners, wanted, page=number, per_page=PER_PAGE)
    return render_template(
        "photos/index.html",
        page=page,
        first=(page.page - 1) * PER_PAGE + 1,
        wanted=wanted,
        filtered=write_filter(wanted),
        statuses=STATUSES,
        work=under_way(),
    )


@blueprint.get("/photos/<uid:uid>")
@login_required
def one(uid: str) -> str:
    photo = get_photo(db(), site().catalogues, site().runs, account().owners, uid)
    return render_template(
        "photos/one.html",
        photo=photo,
        history=photo_history(db(), photo),
        lines=run_lines(photo, recorded_runs(db())),
        neighbours=neighbours(photo),
        proposals=proposals_for(db(), Decider.member(account()), uid),
        moving=bool(photo.opt_outs) and photo.listed_since is None,
    )


@blueprint.get("/photos/<uid:uid>/proof/<run>.json")
@login_required
def proof(uid: str, run: str) -> Response:
    """The proof that a run used one of the person's own photos, or did not: a proof names its photo."""
    find_owned(db(), site().catalogues, account().owners, [uid])
    found = db().scalar(select(TrainingRun).where(TrainingRun.public_id == run))
    if found is None:
        raise NotFound
    try:
        proof = consumption_proof(site().runs, found, uid)
    except NotRecorded as error:
        raise NotFound from error
    word = "used" if isinstance(proof, InclusionProof) else "absence"
    headers = {"Content-Disposition": f'attachment; filename="{word}-{found.public_id}.json"'}
    return Response(proof.to_json(), mimetype="application/json", headers=headers)


@blueprint.post("/photos/<uid:uid>/put-back")
@login_required
def put_back(uid: str) -> ResponseReturnValue:
    try:
        withdraw_photo(db(), account(), uid, now())
    except NothingToWithdraw as refused:
        flash(f"{refused}.".capitalize(), "problem")
    else:
        flash("Put back. From the next version of the exclusion list on, your opt-out no longer keeps this photo out.", "done")
    return redirect(url_for("photos.one", uid=uid), 303)


@blueprint.post("/photos/<uid:uid>/proposals/<int:match>")
@login_required
def decide(uid: str, match: int) -> ResponseReturnValue:
    """The person says whether one of their photos is a copy of one that they opted out."""
    accepts, decider = request.form.get("answer") == "accept", Decider.member(account())
    try:
        if accepts:
            accept_proposal(db(), site().catalogues, decider, match, now())
        else:
            decline_proposal(db(), decider, match, now())
    except ProposalNotFound as refused:
        flash(f"{refused}.".capitalize(), "problem")
    else:
        flash("Taken out as well." if accepts else "Left as it is.", "done")
    return redirect(url_for("photos.one", uid=uid), 303)
