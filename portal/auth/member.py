"""Who is signed in, for Flask-Login and for views."""

from dataclasses import dataclass

from flask import Flask, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user
from sqlalchemy import select
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from models import Account
from portal.auth.going_on import signed_out_page
from portal.database import db
from portal.sessions import current_session


@dataclass(frozen=True)
class Member(UserMixin):
    """An account as Flask-Login wants it."""

    account: Account

    def get_id(self) -> str:
        return self.account.public_id


class SessionsAlone(LoginManager):
    """Flask-Login without its cookie "remember me", which nobody is given here, and which whoever holds the app's secret could write."""

    def _load_user(self) -> None:
        entered = current_session().entered
        self._update_request_context_with_user(_load(entered.account_id) if entered else None)

    def _update_remember_cookie(self, response: Response) -> Response:
        return response


def init_app(app: Flask) -> None:
    manager = SessionsAlone(app)
    manager.session_protection = None  # phones change their address all day; the session id is the secret
    manager.unauthorized_handler(_ask_to_sign_in)


def account() -> Account:
    """The account of the signed-in person. Raises Unauthorized outside of views that require one."""
    if not current_user.is_authenticated:
        raise Unauthorized
    found: Account = current_user.account
    return found


def _load(account_id: int) -> Member | None:
    found = db().scalar(select(Account).where(Account.id == account_id, Account.closed_at.is_(None)))
    return Member(found) if found is not None else None


def _ask_to_sign_in() -> ResponseReturnValue:
    """To the provider and back to the page asked for; what a form said waits until the person is back."""
    if request.method != "GET":
        return signed_out_page()
    wanted = request.script_root + request.full_path.rstrip("?")
    return redirect(url_for("auth.sign_in", next=wanted))
