"""Opting out: check what you chose, then file it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required

from models import Regime
from portal.auth.going_on import goes_on_at
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
NAME_LENGTH = 200
blueprint = Blueprint("opt_outs", __name__)


@dataclass(frozen=True)
class LookedUp:
    """A chosen picture as the check page lists it. ``name``: of its file, where the form tells it; never kept."""

    token: str
    name: str
    picture: Picture


@blueprint.app_template_filter()
def name_field(token: str) -> str:
    """The form field of the file name that belongs to a picture's token: it travels beside the token, which is the same for every name."""
    return f"name-{token[-16:]}"


@blueprint.post("/opt-outs/check")
@goes_on_at("opt_outs.check")
@login_required
def check() -> ResponseReturnValue:
    chosen = read_selection(request.form, account())
    if chosen.count == 0:
        flash("Choose at least one photo first.", "problem")
        return redirect(_back(), 303)
    return _check_page(chosen)


@blueprint.get("/opt-outs/everything")
@login_required
def everything() -> str:
    return _check_page(Chosen(Everything(), None))


@blueprint.post("/opt-outs")
@goes_on_at("opt_outs.check")
@login_required
def file() -> ResponseReturnValue:
    chosen = read_selection(request.form, account())
    if request.form.get("all") and request.form.get("count", type=int) != chosen.count:
        flash("Your photos have changed since you looked. Please check again.", "problem")
        return _check_page(chosen)
    if _pictures(chosen) and not request.form.get("mine"):
        return _check_page(chosen, unconfirmed=True), 422
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
        return redirect(_back(), 303)
    if filing.already:
        flash(f"{counted(filing.already, 'photo was', 'photos were')} opted out before and left as they are.", "done")
    return redirect(url_for("requests.one", public_id=filing.request.public_id), 303)


def _check_page(chosen: Chosen, *, unconfirmed: bool = False) -> str:
    """``unconfirmed``: the person has not said yet that the looked-up pictures are theirs, or show them."""
    owners = account().owners
    shown: list[Photo] = []
    match chosen.selection:
        case Photos(uids):
            shown = get_photos(db(), site().catalogues, site().runs, owners, uids[:SHOWN])
        case Everything():
            shown = list(list_photos(db(), site().catalogues, site().runs, owners, PhotoFilter(), per_page=SHOWN).photos)
    return render_template(
        "opt_outs/check.html",
        chosen=chosen,
        shown=shown,
        pictures=_pictures(chosen),
        unconfirmed=unconfirmed,
        everything=isinstance(chosen.selection, Everything),
        fields=request.form,
        filtered=write_filter(read_filter(request.form)),
        back=_back(),
    )


def _pictures(chosen: Chosen) -> list[LookedUp]:
    if not isinstance(chosen.selection, Photos):
        return []
    tokens = dict.fromkeys(request.form.getlist("picture"))
    names = (request.form.get(name_field(token), "")[:NAME_LENGTH] for token in tokens)
    return [LookedUp(*one) for one in zip(tokens, names, chosen.selection.pictures, strict=True)]


def _back() -> str:
    """The address of the page where the selection was made."""
    if request.form.get("from") == "lookup":
        return url_for("lookup.form")
    query = urlencode(write_filter(read_filter(request.form)))
    return url_for("photos.index") + (f"?{query}" if query else "")


def _regime(value: str | None) -> Regime:
    return Regime(value) if value in set(Regime) else Regime.VOLUNTARY
