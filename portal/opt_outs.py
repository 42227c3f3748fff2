"""Opting out: check what you chose, then file it."""

from urllib.parse import urlencode

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required

from models import Regime
from portal.auth.member import account
from portal.database import db
from portal.filters import read_filter, write_filter
from portal.formats import counted
from portal.selection import Chosen, read_selection
from portal.site import now, site
from rights.optouts import Everything, NothingToOptOut, Photos, Picture, file_opt_outs
from rights.photo import Photo, PhotoFilter
from rights.photos import get_photos, list_photos

SHOWN = 12  # photos shown on the check page
COMMENT_LENGTH = 2000
blueprint = Blueprint("opt_outs", __name__)


@blueprint.post("/opt-outs/check")
@login_required
def check() -> ResponseReturnValue:
    chosen = read_selection(request.form, account())
    if chosen.count == 0:
        flash("Choose at least one photo first.", "problem")
        return redirect(_photos_address(read_filter(request.form)), 303)
    return _check_page(chosen)


@blueprint.get("/opt-outs/everything")
@login_required
def everything() -> str:
    return _check_page(Chosen(Everything(), None))


@blueprint.post("/opt-outs")
@login_required
def file() -> ResponseReturnValue:
    chosen = read_selection(request.form, account())
    if request.form.get("all") and request.form.get("count", type=int) != chosen.count:
        flash("Your photos have changed since you looked. Please check again.", "problem")
        return _check_page(chosen)
    try:
        filing = file_opt_outs(
            db(),
            site().catalogues,
            account(),
            chosen.selection,
            comment=request.form.get("comment", "")[:COMMENT_LENGTH],
            regime=_regime(request.form.get("regime")),
            now=now(),
        )
    except NothingToOptOut as nothing:
        flash(f"{nothing}.".capitalize(), "problem")
        return redirect(url_for("photos.index"), 303)
    if filing.already:
        flash(f"{counted(filing.already, 'photo was', 'photos were')} opted out before and left as they are.", "done")
    return redirect(url_for("requests.one", public_id=filing.request.public_id), 303)


def _check_page(chosen: Chosen) -> str:
    owners = account().owners
    shown: list[Photo] = []
    pictures: tuple[Picture, ...] = ()
    match chosen.selection:
        case Photos(uids, pictures):
            shown = get_photos(db(), site().catalogues, site().runs, owners, uids[:SHOWN])
        case Everything():
            shown = list(list_photos(db(), site().catalogues, site().runs, owners, PhotoFilter(), per_page=SHOWN).photos)
    return render_template(
        "opt_outs/check.html",
        chosen=chosen,
        shown=shown,
        pictures=pictures,
        everything=isinstance(chosen.selection, Everything),
        fields=request.form,
        filtered=write_filter(read_filter(request.form)),
    )


def _photos_address(wanted: PhotoFilter) -> str:
    query = urlencode(write_filter(wanted))
    return url_for("photos.index") + (f"?{query}" if query else "")


def _regime(value: str | None) -> Regime:
    return Regime(value) if value in set(Regime) else Regime.VOLUNTARY
