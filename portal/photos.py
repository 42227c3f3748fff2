"""My photos: the grid, and one photo with its dated history."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required
from sqlalchemy import select
from werkzeug.exceptions import NotFound

from demur.runs import InclusionProof
from models import TrainingRun
from portal import pictures
from portal.auth.going_on import goes_on_at
from portal.auth.member import account
from portal.bodies import SELECTION_BYTES, takes
from portal.database import db
from portal.filters import STATUSES, address, read_filter, write_filter
from portal.formats import counted
from portal.limits import changes_opt_outs
from portal.neighbours import neighbours
from portal.progress import under_way
from portal.receipts import TITLES
from portal.requests import DENIALS
from portal.selection import keep_ticks, own_ticks
from portal.site import now, site
from rights.choosing import any_to_put_back, sort_choice
from rights.contests import NothingToContest, contest_photos, statements_about
from rights.evidence import run_lines
from rights.history import photo_history
from rights.owned import find_owned, owned_among
from rights.photo import PhotoFilter
from rights.photos import get_photo, get_photos, list_photos, matching_uids, photos_among
from rights.proposals import Decider, ProposalNotFound, accept_proposals, decline_proposals, proposals_for
from rights.runs import NotRecorded, consumption_proof, recorded_runs
from rights.taken import count_taken, taken_by_others
from rights.ticks import tick, ticked
from rights.withdrawals import NothingToWithdraw, put_back, withdraw_photo

PER_PAGE = 48
LONGEST_FILTER = 2000  # of a filter as an address writes it: 100 letters of text, each as up to twelve, and four short fields
SHOWN = 12  # photos shown before many are put back
NAMED = 5  # of the photos that others took out
blueprint = Blueprint("photos", __name__)
blueprint.add_url_rule("/photos/<uid:uid>/thumbnail", view_func=pictures.thumbnail)
blueprint.add_url_rule("/photos/<uid:uid>/picture", view_func=pictures.picture)


@blueprint.get("/photos")
@login_required
def index() -> str:
    wanted = read_filter(request.args)
    number = request.args.get("page", 1, type=int)
    page = list_photos(db(), site().catalogues, site().runs, account().owners, wanted, page=number, per_page=PER_PAGE)
    kept = ticked(db(), account(), now())
    elsewhere = kept.difference(photo.uid for photo in page.photos)
    taken = taken_by_others(db(), account().owners, NAMED)
    return render_template(
        "photos/index.html",
        page=page,
        first=(page.page - 1) * PER_PAGE + 1,
        wanted=wanted,
        filtered=write_filter(wanted),
        statuses=STATUSES,
        ticked=kept,
        elsewhere=len(elsewhere),
        may_put_back=any(photo.can_put_back for photo in page.photos)
        or (bool(elsewhere) and any_to_put_back(db(), site().catalogues, account().owners, sorted(elsewhere))),
        work=under_way(),
        taken=count_taken(db(), account().owners),
        shown_taken=list(owned_among(db(), site().catalogues, account().owners, taken).values()),
    )


@blueprint.post("/selection")
@takes(SELECTION_BYTES)
@goes_on_at("photos.tick_photos")
@login_required
def tick_photos() -> ResponseReturnValue:
    """Keeps what is ticked on a page of the grid, and goes where its button leads: to a page, to a filter, or to what shall be done."""
    form = request.form
    shown = read_filter(dict(parse_qsl(form.get("filter", "")[:LONGEST_FILTER])))
    match form.get("then", ""):
        case "all":
            keep_ticks(form, account())
            everything = matching_uids(db(), site().catalogues, site().runs, account().owners, shown)
            tick(db(), account(), ticked(db(), account(), now()).union(everything), now())
        case "none":
            tick(db(), account(), (), now())
        case _:
            keep_ticks(form, account())
    return _after_ticking(form.get("then", ""), shown)


def _after_ticking(then: str, shown: PhotoFilter) -> ResponseReturnValue:
    """``shown``: the filter that the page was under; another one may be set in its fields."""
    match then.split("-"):
        case ["keep"]:
            return "", 204
        case ["opt", "out"]:
            to = address("opt_outs.check", shown, ticked="1")
        case ["put", "back"]:
            to = address("photos.check_put_back", shown)
        case ["filter"]:
            to = address("photos.index", read_filter(request.form))
        case ["show", "all"]:
            to = url_for("photos.index")
        case ["page", number] if number.isascii() and number.isdigit():
            to = address("photos.index", shown, page=number)
        case _:
            to = address("photos.index", shown, page=str(request.form.get("page", 1, type=int)))
    return redirect(to, 303)


@blueprint.get("/selection/put-back")
@login_required
def check_put_back() -> ResponseReturnValue:
    """What is ticked and may be put back, to look at once more."""
    uids = own_ticks(account())
    out = sort_choice(db(), site().catalogues, account().owners, uids).out
    if not out:
        return _nothing_to_put_back()
    shown = get_photos(db(), site().catalogues, site().runs, account().owners, out[:SHOWN])
    return render_template("photos/put_back.html", shown=shown, count=len(out), others=len(uids) - len(out), back=_grid())


@blueprint.post("/selection/put-back")
@takes(SELECTION_BYTES)
@login_required
@changes_opt_outs
def put_back_ticked() -> ResponseReturnValue:
    """Puts back all that is ticked and may be."""
    out = sort_choice(db(), site().catalogues, account().owners, own_ticks(account())).out
    count = put_back(db(), account(), out, now())
    if not count:
        return _nothing_to_put_back()
    tick(db(), account(), (), now())
    flash(f"{counted(count, 'photo')} put back. From the next version of the exclusion list on, no opt-out of yours names them.", "done")
    return redirect(_grid(), 303)


def _nothing_to_put_back() -> ResponseReturnValue:
    flash("None of the photos you chose is opted out by you, so there is nothing to put back.", "problem")
    return redirect(_grid(), 303)


def _grid() -> str:
    """The page of the grid where the choice was made."""
    return address("photos.index", read_filter(request.values))


@blueprint.get("/photos/<uid:uid>")
@login_required
def one(uid: str) -> str:
    photo = get_photo(db(), site().catalogues, site().runs, account().owners, uid)
    return render_template(
        "photos/one.html",
        photo=photo,
        history=photo_history(db(), photo, account()),
        lines=run_lines(photo, recorded_runs(db())),
        neighbours=neighbours(photo),
        proposals=proposals_for(db(), Decider.member(account()), uid),
        contests=statements_about(db(), account(), uid),
        titles=TITLES,
        denials=DENIALS,
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
@changes_opt_outs
def put_back_one(uid: str) -> ResponseReturnValue:
    try:
        withdraw_photo(db(), account(), uid, now())
    except NothingToWithdraw as refused:
        flash(f"{refused}.".capitalize(), "problem")
    else:
        flash("Put back. From the next version of the exclusion list on, your opt-out no longer keeps this photo out.", "done")
    return redirect(url_for("photos.one", uid=uid), 303)


@blueprint.get("/taken-out")
@login_required
def taken_out() -> str:
    """The person's photos that somebody else's opt-out takes out, and the way back."""
    taken = taken_by_others(db(), account().owners, PER_PAGE)
    shown = photos_among(db(), site().catalogues, site().runs, account().owners, taken)
    return render_template("photos/taken_out.html", shown=shown, count=count_taken(db(), account().owners))


@blueprint.post("/taken-out")
@takes(SELECTION_BYTES)
@login_required
@changes_opt_outs
def contest_taken() -> ResponseReturnValue:
    """Puts those back that are ticked."""
    _contest(request.form.getlist("uid")[:PER_PAGE])
    return redirect(url_for("photos.taken_out"), 303)


@blueprint.post("/photos/<uid:uid>/contest")
@login_required
@changes_opt_outs
def contest(uid: str) -> ResponseReturnValue:
    """The person says that a photo is theirs which somebody else's opt-out takes out."""
    _contest([uid])
    return redirect(url_for("photos.one", uid=uid), 303)


def _contest(uids: Sequence[str]) -> None:
    """Raises PhotoNotFound where one is not the person's own."""
    find_owned(db(), site().catalogues, account().owners, uids)
    if not uids:
        flash("Tick the photos that shall be put back.", "problem")
        return
    try:
        back = contest_photos(db(), account(), uids, now())
    except NothingToContest as refused:
        flash(f"{refused}.".capitalize(), "problem")
    else:
        again = "From the next version of the exclusion list on, no opt-out of anybody else keeps"
        flash(f"{counted(back, 'photo')} put back. {again} {'it' if back == 1 else 'them'} out. A person looks at it.", "done")


@blueprint.post("/photos/<uid:uid>/proposals/<int:match>")
@login_required
@changes_opt_outs
def decide(uid: str, match: int) -> ResponseReturnValue:
    """The person says whether one of their photos is a copy of one that they opted out."""
    accepts, decider = request.form.get("answer") == "accept", Decider.member(account())
    try:
        if accepts:
            accept_proposals(db(), site().catalogues, decider, [match], now())
        else:
            decline_proposals(db(), decider, [match], now())
    except ProposalNotFound as refused:
        flash(f"{refused}.".capitalize(), "problem")
    else:
        flash("Taken out as well." if accepts else "Left as it is.", "done")
    return redirect(url_for("photos.one", uid=uid), 303)
