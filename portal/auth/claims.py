"""Who a provider says has signed in. Pure: from claims to a person, or to the reason why not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config import MAIL_ADDRESS
from demur.text_rules import text_fault
from portal.auth.refusals import SignInRefused

NAME_LETTERS = 120
SETTING = "DEMUR_OIDC_OWNER_CLAIM"
# Control characters, halves of a surrogate pair, and marks that turn the direction of what stands beside them.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")

Claims = Mapping[str, Any]


@dataclass(frozen=True)
class Person:
    """Who has signed in. ``owner`` is the value of the catalogue's owner column. ``email`` is confirmed, or empty. ``sid`` is the session
    at the provider, where it names one; ``auth_time``, in Unix seconds, is when it last asked for a proof, where it says so."""

    iss: str
    sub: str
    owner: str
    display_name: str
    email: str = ""
    sid: str = ""
    auth_time: float | None = None


def read_person(claims: Claims, owner_claim: str, *, with_mail: bool, auth_time: float | None = None) -> Person:
    """``claims``: of the ID token, completed by those of UserInfo. Raises SignInRefused."""
    sub = _identifier(claims.get("sub"), "sub")
    return Person(
        iss=claims["iss"],
        sub=sub,
        owner=read_owner(claims, owner_claim),
        display_name=readable_name(claims.get("name") or claims.get("preferred_username")) or readable_name(sub),
        email=confirmed_address(claims) if with_mail else "",
        sid=_identifier(claims["sid"], "sid") if claims.get("sid") else "",
        auth_time=auth_time,
    )


def read_owner(claims: Claims, owner_claim: str) -> str:
    """The owner column's value: a text, a whole number, or a list of one of them. Raises SignInRefused."""
    value = find_claim(claims, owner_claim)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "" or value == []:
        raise SignInRefused(
            f"neither ID token nor UserInfo has the claim {owner_claim}, which says whose photos are this person's", SETTING
        )
    if not isinstance(value, str):
        raise SignInRefused(f"the claim {owner_claim} is a {_kind(value)}; the owner is a text, a whole number, or a list of one", SETTING)
    return _identifier(value, owner_claim, SETTING)


def find_claim(claims: Claims, name: str) -> Any:
    """By its whole name, which may hold dots (``https://photos.example/id``), or step by step (``user.id``); None if it is absent."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def readable_name(value: object) -> str:
    """A name as pages show it: without what cannot be seen or stored."""
    return " ".join(_UNSEEN.sub(" ", value).split())[:NAME_LETTERS] if isinstance(value, str) else ""


def _identifier(value: object, claim: str, look_at: str = "") -> str:
    """A text as it is. Nothing is cut or mended, for two people could become one. Raises SignInRefused."""
    if not isinstance(value, str) or not value:
        raise SignInRefused(f"the claim {claim} is no text, or an empty one", look_at)
    if fault := text_fault(value, "owner"):
        raise SignInRefused(f"the claim {claim} {fault}", look_at)
    return value


def confirmed_address(claims: Claims) -> str:
    """The address, if the provider confirmed that it is this person's (OpenID Connect Core, section 5.1)."""
    address = claims.get("email")
    if claims.get("email_verified") is True and isinstance(address, str) and MAIL_ADDRESS.fullmatch(address):
        return address
    return ""


def _kind(value: object) -> str:
    match value:
        case bool():
            return "yes or no"
        case float():
            return "number with a decimal point"
        case list():
            return f"list of {len(value)}"
        case Mapping():
            return "group of claims"
    return type(value).__name__
