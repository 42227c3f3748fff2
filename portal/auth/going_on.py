"""A form that meets an ended session: its person signs in and goes on, with what the form said.

The fields wait in the stranger's session, bounded, and only where the form's token shows that a member was signed in on the page that it
came from. After signing in, the same member sends them again with one button; nothing is sent by itself.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.auth.next_page import local_path
from portal.form_tokens import FIELD, MemberToken, read_token
from portal.sessions import ServerSession, current_session

LIFETIME_S = 3600
MOST_FIELDS = 6000
MOST_LETTERS = 400_000
_KEPT = "kept_form"

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class KeptForm:
    """``endpoint`` takes the fields, when the person sends them again."""

    endpoint: str
    fields: list[tuple[str, str]]


def goes_on_at(endpoint: str) -> Callable[[View], View]:
    """Of a view that takes a form: which endpoint takes the same fields and changes nothing. Without it only the page comes back.

    A form that a member sends ends what was waiting.
    """

    def mark(view: View) -> View:
        @functools.wraps(view)
        def run(*arguments: Any, **named: Any) -> Any:
            if request.method == "POST" and current_session().entered:
                current_session().pop(_KEPT, None)
            return view(*arguments, **named)

        run.goes_on_at = endpoint  # type: ignore[attr-defined]
        return cast(View, run)

    return mark


def signed_out_page() -> ResponseReturnValue:
    """Says that the session ended, and offers to sign in and go on."""
    kept = keep_form()
    next_page = url_for("auth.go_on") if kept else _page_before()
    was_member = isinstance(read_token(request.form.get(FIELD, "")), MemberToken)
    return render_template("account/signed_out_meanwhile.html", kept=kept, was_member=was_member, next_page=next_page), 401


def keep_form() -> bool:
    """Keeps the form of this request in the session, if it may be kept and is not too large."""
    endpoint = getattr(current_app.view_functions[request.endpoint or ""], "goes_on_at", "")
    token = request.form.get(FIELD, "")
    fields = [(name, value) for name, value in request.form.items(multi=True) if name != FIELD]
    if not endpoint or not isinstance(read_token(token), MemberToken) or not _is_small(fields):
        return False
    session = current_session()
    session[_KEPT] = {"endpoint": endpoint, "fields": fields, "token": token, "until": int(time.time()) + LIFETIME_S}
    session.needed = True
    return True


def what_is_kept(session: ServerSession) -> dict[str, Any]:
    """The part of a stranger's session that a new sign-in takes over."""
    return {_KEPT: session[_KEPT]} if _KEPT in session else {}


def kept_form(account_id: int) -> KeptForm | None:
    """The form that waits for this account, if one does. One that is another account's, or too old, is dropped."""
    session = current_session()
    kept = session.get(_KEPT)
    if not kept:
        return None
    token = read_token(kept["token"])
    if kept["until"] < time.time() or not isinstance(token, MemberToken) or not token.is_of_account(account_id):
        session.pop(_KEPT)
        return None
    return KeptForm(kept["endpoint"], [(name, value) for name, value in kept["fields"]])


def _is_small(fields: list[tuple[str, str]]) -> bool:
    return len(fields) <= MOST_FIELDS and sum(len(name) + len(value) for name, value in fields) <= MOST_LETTERS


def _page_before() -> str:
    """The page of ours that the form was on."""
    otherwise = url_for("photos.index")
    try:
        parts = urlsplit(request.referrer or "")
    except ValueError:
        return otherwise
    here = parts.netloc == request.host
    return local_path(f"{parts.path}?{parts.query}".rstrip("?") if here else None, otherwise)
