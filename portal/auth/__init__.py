"""Signing in and out at the platform's OpenID provider, and the account with its identities."""

import time

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required

from portal.auth.back_channel import receive_back_channel_logout
from portal.auth.going_on import kept_form, what_is_kept
from portal.auth.member import account
from portal.auth.next_page import local_path
from portal.auth.provider import Arrival, Begun, Purpose, is_fresh, receive_person, send_to_provider, sign_out_address
from portal.auth.refusals import ProviderUnreachable, SignInRefused
from portal.database import db
from portal.sessions import Entered, current_session, kept_id_token, renew_session
from portal.site import now, site
from rights.accounts import CannotUnlink, IdentityTaken, link_identity, sign_in, unlink_identity
from rights.sessions import count_sessions, end_sessions

CONFIRMED_S = 600  # how long a person who proved again who they are may change how they sign in
_CONFIRMED = "confirmed_at"
# What a browser keeps of a member's pages: not the cookies, for those of the platform may be among them.
CLEAR = {"Clear-Site-Data": '"cache", "storage"'}
blueprint = Blueprint("auth", __name__)
blueprint.add_url_rule("/auth/back-channel-logout", view_func=receive_back_channel_logout, methods=["POST"])


@blueprint.get("/auth/sign-in", endpoint="sign_in")
def start_sign_in() -> ResponseReturnValue:
    asked = {"prompt": "select_account"} if request.args.get("other") else {}
    return send_to_provider(Begun(Purpose.SIGN_IN, local_path(request.args.get("next"), url_for("photos.index"))), **asked)


@blueprint.get("/auth/callback")
def callback() -> ResponseReturnValue:
    arrival = receive_person()  # talks to the provider, so before the transaction opens
    match arrival.begun.purpose:
        case Purpose.SIGN_IN:
            return _enter(arrival)
        case Purpose.CONFIRM:
            return _confirm(arrival)
        case Purpose.LINK:
            return _link(arrival)


@blueprint.post("/auth/sign-out")
def sign_out() -> ResponseReturnValue:
    address = _leave()
    return redirect(address or url_for("auth.signed_out", here_only=1)), CLEAR


@blueprint.post("/auth/sign-out-everywhere")
@login_required
def sign_out_everywhere() -> ResponseReturnValue:
    end_sessions(db(), account())
    address = _leave()
    return redirect(address or url_for("auth.signed_out", here_only=1)), CLEAR


@blueprint.get("/auth/signed-out")
def signed_out() -> str:
    return render_template("account/signed_out.html", here_only="here_only" in request.args)


@blueprint.get("/auth/go-on")
@login_required
def go_on() -> ResponseReturnValue:
    """The form that met an ended session, to be sent again by the same person."""
    kept = kept_form(_entered().account_id)
    if kept is None:
        flash("Nothing is waiting for you. Please choose again.", "problem")
        return redirect(url_for("photos.index"))
    return render_template("account/go_on.html", kept=kept)


@blueprint.get("/account", endpoint="account")
@login_required
def show_account() -> ResponseReturnValue:
    browsers = count_sessions(db(), account(), now() - site().idle, now())
    return render_template("account/account.html", account=account(), browsers=browsers, entered=_entered())


@blueprint.get("/account/link", endpoint="link_page")
@login_required
def show_link_page() -> str:
    return render_template("account/link.html", account=account(), confirmed=_is_confirmed(), entered=_entered())


@blueprint.post("/account/confirm")
@login_required
def confirm() -> ResponseReturnValue:
    """The person who is signed in proves it again, before anything about signing in changes."""
    return send_to_provider(Begun(Purpose.CONFIRM, url_for("auth.link_page"), _entered().account_id), prompt="login", max_age="0")


@blueprint.post("/account/link")
@login_required
def link() -> ResponseReturnValue:
    if not _is_confirmed():
        flash("Please confirm first that it is you.", "problem")
        return redirect(url_for("auth.link_page"), 303)
    return send_to_provider(Begun(Purpose.LINK, url_for("auth.account"), _entered().account_id), prompt="select_account")


@blueprint.post("/account/identities/<int:identity>/unlink")
@login_required
def unlink(identity: int) -> ResponseReturnValue:
    entered = _entered()
    if not _is_confirmed():
        flash("Please confirm first that it is you.", "problem")
        return redirect(url_for("auth.link_page"), 303)
    try:
        gone = unlink_identity(db(), account(), identity, in_use=(entered.iss, entered.sub), now=now())
    except CannotUnlink as refused:
        flash(f"{str(refused)[0].upper()}{str(refused)[1:]}.", "problem")
    else:
        flash(f"{gone.owner} is no longer linked. What you opted out stays opted out, and you can still take it back.", "done")
    return redirect(url_for("auth.account"), 303)


def _enter(arrival: Arrival) -> ResponseReturnValue:
    person = arrival.person
    who = {"iss": person.iss, "sub": person.sub, "owner": person.owner, "display_name": person.display_name, "email": person.email}
    member = sign_in(db(), **who, now=now())
    entered = Entered(member.id, person.iss, person.sub, person.sid)
    renew_session(what_is_kept(current_session()), entered, arrival.id_token)
    return redirect(arrival.begun.next)


def _confirm(arrival: Arrival) -> ResponseReturnValue:
    """Never signs in as someone else, and never makes an account."""
    person, entered = arrival.person, current_session().entered
    if entered is None or entered.account_id != arrival.begun.account_id or (person.iss, person.sub) != (entered.iss, entered.sub):
        flash("You signed in as someone else than the one who is signed in here, so nothing was changed.", "problem")
    elif not is_fresh(arrival):
        stale = "the provider did not ask the person to sign in again, or does not say when (auth_time)"
        raise SignInRefused(stale, "DEMUR_OIDC_ISSUER", again=url_for("auth.link_page"))
    else:
        current_session()[_CONFIRMED] = int(time.time())
        current_session().needed = True
    return redirect(arrival.begun.next)


def _link(arrival: Arrival) -> ResponseReturnValue:
    """Adds the identity to the account that asked; never signs in as someone else, and never makes an account."""
    person = arrival.person
    if account().id != arrival.begun.account_id or not _is_confirmed():
        flash("You signed in as someone else meanwhile, or it took too long, so nothing was linked.", "problem")
        return redirect(url_for("auth.link_page"))
    try:
        added = link_identity(db(), account(), iss=person.iss, sub=person.sub, owner=person.owner, now=now())
    except IdentityTaken:
        return render_template("account/taken.html", account=account(), person=person), 409
    if added:
        flash("Linked. The photos of both are now in one place.", "done")
    elif (person.iss, person.sub) == (_entered().iss, _entered().sub):
        flash("That is the sign-in you already use, so nothing was linked. To link another one, choose it at the provider.", "problem")
    else:
        flash(f"{person.owner} was linked before, so nothing was changed.", "problem")
    return redirect(arrival.begun.next)


def _leave() -> str:
    """Ends this session. Returns the provider's sign-out page; empty where it has none, or does not answer."""
    id_token = kept_id_token(site().address.cookie)
    renew_session({})
    try:
        return sign_out_address(id_token)
    except ProviderUnreachable:
        return ""


def _entered() -> Entered:
    """The sign-in that began this session. Views that ask for it require one."""
    entered = current_session().entered
    if entered is None:
        raise SignInRefused("nobody is signed in")
    return entered


def _is_confirmed() -> bool:
    return time.time() - current_session().get(_CONFIRMED, 0) < CONFIRMED_S
