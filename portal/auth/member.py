"""Who is signed in, for Flask-Login and for views."""

from dataclasses import dataclass

from flask import Flask, redirect, request, session, url_for
from flask_login import LoginManager, UserMixin, current_user
from sqlalchemy import select
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from models import Account
from portal.database import db


@dataclass(frozen=True)
class Member(UserMixin):
    """An account as Flask-Login wants it."""

    account: Account

    def get_id(self) -> str:
        return self.account.public_id


def init_app(app: Flask) -> None:
    manager = LoginManager(app)
    manager.session_protection = None  # phones change their address all day; the session id is the secret
    manager.user_loader(_load)
    manager.unauthorized_handler(_ask_to_sign_in)


def account() -> Account:
    """The account of the signed-in person. Raises Unauthorized outside of views that require one."""
    if not current_user.is_authenticated:
        raise Unauthorized
    found: Account = current_user.account
    return found


def _load(public_id: str) -> Member | None:
    found = db().scalar(select(Account).where(Account.public_id == public_id, Account.closed_at.is_(None)))
    return Member(found) if found is not None else None


def _ask_to_sign_in() -> Response:
    """To the provider and back to the page asked for; a form that was sent cannot be sent again, so back to the photos."""
    session.pop("_user_id", None)
    wanted = request.full_path.rstrip("?") if request.method == "GET" else url_for("photos.index")
    return redirect(url_for("auth.sign_in", next=wanted))
