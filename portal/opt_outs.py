"""Opting out: check what you chose, then file it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from demur.text_rules import text_fault
from models import Regime, RequestKind
from portal.auth.going_on import goes_on_at
from portal.auth.member import account
from portal.bodies import SELECTION_BYTES, takes
from portal.database import db
from portal.filters import address, read_filter, write_filter
from portal.formats import counted
from portal.limits import changes_opt_outs
from portal.selection import Chosen, read_selection
from portal.site import now, site
from rights.choosing import EverythingOut, SortedChoice, everything_out, sort_choice
from rights.deadlines import term
from rights.optouts import Everything, NothingToOptOut, Photos, Picture, file_opt_outs
from rights.photo import Photo, PhotoFilter, RunRef
from rights.photos import get_photos, list_photos, runs_in_training
from rights.ticks import tick, ticked
from rights.used import TrainingWord

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


@dataclass(frozen=True)
class Place:
    """Where a person may say that they live, and what follows. Nobody has to: without an answer the operator's promise holds."""

    regime: Regime
    name: str
    right: str


def _place(regime: Regime, name: str, right: str) -> Place:
    return Place(regime, name, f"{right} Answer within {term(regime, RequestKind.OBJECTION)}.")


PLACES = (
    _place(Regime.GDPR, "In the EU, Iceland, Liechtenstein or Norway", "The right to object, Article 21 GDPR."),
    _place(Regime.UK_GDPR, "In the United Kingdom", "The right to object, Article 21 UK GDPR."),
    _place(Regime.SWISS_FADP, "In Switzerland", "The right to object, Article 30 of the Data Protection Act."),
    _place(Regime.CCPA, "In California", "The right to opt out, CCPA."),
    _place(Regime.VOLUNTARY, "Somewhere else, or I would rather not say", "The operator’s own promise."),
)


@blueprint.app_template_global()
def everything_standing() -> EverythingOut | None:
    """The signed-in person's opt-out of everything, wherever a page shows its state."""
    return everything_out(db(), account())


@blueprint.app_template_filter()
def name_field(token: str) -> str:
    """The form field of the file name that belongs to a picture's token: it travels beside the token, which is the same for every name."""
    return f"name-{token[-16:]}"


@blueprint.route("/opt-outs/check", methods=["GET", "POST"])
@goes_on_at("opt_outs.check")
@takes(SELECTION_BYTES)
@login_required
def check() -> ResponseReturnValue:
    """A form that was sent shows the page; so does the address alone, reloaded or restored, where it says what was chosen."""
    chosen = read_selection(_sent(), account())
    if chosen.count == 0:
        flash("Choose at least one photo first.", "problem")
        return redirect(_back(), 303)
    return _check_page(chosen)


@blueprint.get("/opt-outs/everything")
@login_required
def everything() -> ResponseReturnValue:
    standing = everything_out(db(), account())
    if standing and standing.whole and not standing.put_back:
        flash(f"All your photos are out already, by your opt-out {standing.reference}.", "done")
        return redirect(url_for("photos.index"), 303)
    return _check_page(Chosen(Everything(), None))


@blueprint.post("/opt-outs")
@goes_on_at("opt_outs.check")
@takes(SELECTION_BYTES)
@login_required
@changes_opt_outs
def file() -> ResponseReturnValue:
    chosen = read_selection(request.form, account())
    mistakes = _mistakes(chosen)
    if mistakes:
        return _check_page(chosen, mistakes), 422
    try:
        filing = file_opt_outs(
            db(),
            site().catalogues,
            account(),
            chosen.selection,
            comment=_comment(),
            regime=_regime(request.form.get("regime")),
            now=now(),
        )
    except NothingToOptOut as nothing:
        flash(f"{nothing}.".capitalize(), "problem")
        return redirect(_back(), 303)
    _untick(chosen)
    if filing.already:
        was = counted(filing.already, "photo was out already and was left as it is", "photos were out already and were left as they are")
        flash(f"{was}.", "done")
    return redirect(url_for("requests.one", public_id=filing.request.public_id), 303)


class Mistake(StrEnum):
    """Why nothing was filed yet."""

    CHANGED = "changed"  # other photos are ticked than the page showed
    UNCONFIRMED = "unconfirmed"  # whether the looked-up pictures are the person's, or show them
    TOO_LONG = "too_long"  # the comment


def _mistakes(chosen: Chosen) -> list[Mistake]:
    found = {
        Mistake.CHANGED: request.form.get("ticked", "") != chosen.ticked,
        Mistake.UNCONFIRMED: bool(_pictures(chosen)) and not request.form.get("mine"),
        Mistake.TOO_LONG: len(_comment()) > COMMENT_LENGTH,
    }
    return [mistake for mistake, made in found.items() if made]


def _comment() -> str:
    """As it was typed: a form sends each line end as two letters."""
    comment = request.form.get("comment", "").replace("\r\n", "\n").strip()
    if text_fault(comment[:COMMENT_LENGTH]):
        raise BadRequest("the comment holds characters that cannot be kept")
    return comment


def _untick(chosen: Chosen) -> None:
    """What was filed is done with."""
    match chosen.selection:
        case Photos(uids):
            tick(db(), account(), ticked(db(), account(), now()).difference(uids), now())
        case Everything():
            tick(db(), account(), (), now())


def _check_page(chosen: Chosen, mistakes: Sequence[Mistake] = ()) -> str:
    owners = account().owners
    shown: list[Photo] = []
    told = SortedChoice()
    match chosen.selection:
        case Photos(uids):
            told = sort_choice(db(), site().catalogues, owners, uids)
            shown = get_photos(db(), site().catalogues, site().runs, owners, (told.new or told.out)[:SHOWN])
        case Everything():
            shown = list(list_photos(db(), site().catalogues, site().runs, owners, PhotoFilter(), per_page=SHOWN).photos)
    return render_template(
        "opt_outs/check.html",
        chosen=chosen,
        told=told,
        shown=shown,
        pictures=_pictures(chosen),
        mistakes=mistakes,
        places=PLACES,
        in_training=_in_training(chosen, shown),
        everything=isinstance(chosen.selection, Everything),
        fields=request.form,
        comment=_comment(),
        longest=COMMENT_LENGTH,
        filtered=write_filter(read_filter(_sent())),
        back=_back(),
    )


def _in_training(chosen: Chosen, shown: Sequence[Photo]) -> list[RunRef]:
    """The runs in training that may contain what was chosen, as far as the photos shown tell: one may obey a list that names them."""
    words = {one.run.public_id: one.word for photo in shown for one in photo.in_training if one.word is not TrainingWord.LEAVING_OUT}
    is_all_shown = bool(shown) and chosen.count == len(shown)
    return [run for run in runs_in_training(db()) if run.public_id in words or not is_all_shown]


def _pictures(chosen: Chosen) -> list[LookedUp]:
    if not isinstance(chosen.selection, Photos):
        return []
    tokens = dict.fromkeys(_sent().getlist("picture"))
    names = (_sent().get(name_field(token), "")[:NAME_LENGTH] for token in tokens)
    return [LookedUp(*one) for one in zip(tokens, names, chosen.selection.pictures, strict=True)]


def _sent() -> MultiDict[str, str]:
    """The form's fields; of a page that was asked for by its address, what that says."""
    return request.form if request.method == "POST" else request.args


def _back() -> str:
    """The address of the page where the selection was made."""
    if _sent().get("from") == "lookup":
        return url_for("lookup.form")
    return address("photos.index", read_filter(_sent()))


def _regime(value: str | None) -> Regime:
    return Regime(value) if value in set(Regime) else Regime.VOLUNTARY
