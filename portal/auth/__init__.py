"""Signing in and out at the platform's OpenID provider, and the account with its identities."""

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required, login_user, logout_user

from portal.auth.member import Member, account
from portal.auth.next_page import local_path
from portal.auth.provider import Person, ProviderUnreachable, Return, confirm_signed_out, end_at_provider, receive_person, send_to_provider
from portal.database import db
from portal.sessions import renew_session
from portal.site import now
from rights.accounts import IdentityTaken, link_identity, sign_in

blueprint = Blueprint("auth", __name__)


@blueprint.get("/auth/sign-in", endpoint="sign_in")
def start_sign_in() -> ResponseReturnValue:
    return send_to_provider(Return(next=local_path(request.args.get("next"), url_for("photos.index")), linking=""))


@blueprint.get("/auth/callback")
def callback() -> ResponseReturnValue:
    person, then = receive_person()  # talks to the provider, so before the transaction opens
    if then.linking:
        return _link(person, then)
    who = {"iss": person.iss, "sub": person.sub, "owner": person.owner, "display_name": person.display_name, "email": person.email}
    member = sign_in(db(), **who, now=now())
    renew_session({"id_token": person.id_token})
    login_user(Member(member))
    return redirect(then.next)


@blueprint.post("/auth/sign-out")
def sign_out() -> ResponseReturnValue:
    id_token = session.get("id_token", "")
    logout_user()
    renew_session({})
    try:
        return end_at_provider(id_token)
    except ProviderUnreachable:
        return redirect(url_for("auth.signed_out"))


@blueprint.get("/auth/signed-out")
def signed_out() -> ResponseReturnValue:
    confirm_signed_out()
    return render_template("account/signed_out.html")


@blueprint.get("/account", endpoint="account")
@login_required
def show_account() -> ResponseReturnValue:
    return render_template("account/account.html", account=account())


@blueprint.post("/account/link")
@login_required
def link() -> ResponseReturnValue:
    then = Return(next=url_for("auth.account"), linking=account().public_id)
    return send_to_provider(then, prompt="select_account")


def _link(person: Person, then: Return) -> ResponseReturnValue:
    """Adds the identity to the account that asked; never signs in as someone else, and never makes an account."""
    if account().public_id != then.linking:
        flash("You signed in as someone else meanwhile, so nothing was linked.", "problem")
        return redirect(url_for("auth.account"))
    try:
        link_identity(db(), account(), iss=person.iss, sub=person.sub, owner=person.owner, now=now())
    except IdentityTaken as taken:
        flash(str(taken), "problem")
    else:
        flash("Linked. The photos of both are now in one place.", "done")
    return redirect(then.next)
