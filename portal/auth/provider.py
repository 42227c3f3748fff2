"""Signing in at the platform's OpenID provider: authorization code with PKCE (S256), state and nonce, all kept in the server-side session.

The provider is met at the first sign-in, not at start, so that the portal starts and serves while the provider is down.
"""

import hmac
import re
import secrets
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit

from flask import Flask, current_app, redirect, request, session, url_for
from werkzeug.wrappers import Response

from config import Config
from portal.auth.claims import Person, find_claim, read_person
from portal.auth.metadata import Metadata, fetch_json, fetch_metadata
from portal.auth.refusals import ProviderUnreachable, SignInRefused
from portal.auth.tokens import LEEWAY_S, KeyRing, Token, check_id_token, check_logout_token, time_of
from portal.formats import absolute
from portal.sessions import current_session
from portal.site import site

EXTENSION = "demur.provider"
METADATA_LIFETIME_S = 3600
BEGUN_LIFETIME_S = 3600
MOST_BEGUN = 5  # sign-ins under way in one session; more tabs than that are no person
_BEGUN = "sign_ins"
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")


class Purpose(StrEnum):
    """What somebody is sent to the provider for."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"  # the person who is signed in proves it again
    LINK = "link"  # another identity is added to the account


@dataclass(frozen=True)
class Begun:
    """A sign-in under way. ``next`` is where it goes on to; ``account_id`` is who asked, if anybody was signed in. ``at``: Unix time."""

    purpose: Purpose
    next: str
    account_id: int | None = None
    state: str = ""
    nonce: str = ""
    verifier: str = ""
    at: int = 0


@dataclass(frozen=True)
class Arrival:
    """Who came back, from which sign-in. ``id_token`` is kept only where signing out at the provider needs it, and else empty."""

    person: Person
    begun: Begun
    id_token: str


class Provider:
    """The provider as this process knows it. Its discovery document is read again every hour."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.keys = KeyRing()
        self._metadata: Metadata | None = None
        self._loaded = 0.0
        self._lock = threading.Lock()

    def metadata(self) -> Metadata:
        """Raises ProviderUnreachable."""
        with self._lock:
            if self._metadata is None or time.monotonic() - self._loaded > METADATA_LIFETIME_S:
                self._metadata, self._loaded = fetch_metadata(self.config.oidc_issuer), time.monotonic()
            return self._metadata

    def redeem(self, metadata: Metadata, code: str, begun: Begun) -> Mapping[str, Any]:
        """The tokens that a code stands for. Raises SignInRefused, ProviderUnreachable."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback_address(), "code_verifier": begun.verifier}
        headers = {"Accept": "application/json"}
        secret, client_id = self.config.oidc_client_secret, self.config.oidc_client_id
        if secret and "client_secret_basic" in metadata.token_auth:
            pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749, section 2.3.1
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": client_id} | ({"client_secret": secret} if secret else {})
        try:
            tokens = fetch_json(
                metadata.token_endpoint, "the token", method="POST", data=form, headers=headers, allow_redirects=False, ok=(200, 400, 401)
            )
        except ProviderUnreachable as error:
            raise ProviderUnreachable(str(error), "DEMUR_OIDC_CLIENT_SECRET") from error
        if "error" in tokens:
            code = _error_code(tokens["error"])
            raise SignInRefused(
                f"the token endpoint answered {code}", "DEMUR_OIDC_CLIENT_SECRET" if code == "invalid_client" else "DEMUR_BASE_URL"
            )
        return tokens

    def user_info(self, metadata: Metadata, access_token: object, sub: object) -> Mapping[str, Any]:
        """Claims that are not in the ID token. Raises ProviderUnreachable, SignInRefused."""
        if not metadata.userinfo_endpoint or not isinstance(access_token, str):
            return {}
        found = fetch_json(
            metadata.userinfo_endpoint, "UserInfo", headers={"Authorization": f"Bearer {access_token}"}, allow_redirects=False
        )
        if found.get("sub") != sub:  # OpenID Connect Core, section 5.3.2
            raise SignInRefused("UserInfo is about another person than the ID token")
        return found


def init_app(app: Flask, config: Config) -> None:
    app.extensions[EXTENSION] = Provider(config)


def provider() -> Provider:
    return cast(Provider, current_app.extensions[EXTENSION])


def callback_address() -> str:
    return absolute(url_for("auth.callback"))


def send_to_provider(begun: Begun, **parameters: str) -> Response:
    """Redirect to the provider's sign-in page. Raises ProviderUnreachable."""
    config, metadata = site().config, provider().metadata()
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    begun = replace(begun, state=state, nonce=nonce, verifier=verifier, at=int(time.time()))
    _remember(begun)
    asked = {
        "response_type": "code",
        "client_id": config.oidc_client_id,
        "redirect_uri": callback_address(),
        "scope": "openid profile email" if config.mail_server else "openid profile",
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": urlsafe_b64encode(sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **parameters,
    }
    return redirect(_with(metadata.authorization_endpoint, asked))


def receive_person() -> Arrival:
    """Who came back to the callback. Raises SignInRefused, ProviderUnreachable."""
    begun = _take_begun(request.args.get("state", ""))
    try:
        return _receive(begun)
    except SignInRefused as refused:
        refused.again = url_for("auth.sign_in", next=begun.next) if begun.purpose is Purpose.SIGN_IN else url_for("auth.link_page")
        raise


def _receive(begun: Begun) -> Arrival:
    config, metadata = site().config, provider().metadata()
    named = request.args.get("iss")
    if named is None and metadata.names_itself:
        raise SignInRefused("the answer does not say which provider it is from, though this one does (RFC 9207)")
    if named is not None and not metadata.is_issuer(named):
        raise SignInRefused("the answer is from another provider (RFC 9207)", "DEMUR_OIDC_ISSUER")
    if "error" in request.args:
        raise SignInRefused(f"the provider answered {_error_code(request.args['error'])}")
    if not request.args.get("code"):
        raise SignInRefused("the provider answered without a code")
    tokens = provider().redeem(metadata, request.args["code"], begun)
    if not isinstance(tokens.get("id_token"), str):
        raise SignInRefused("the provider sent no ID token")
    token = provider().keys.open(tokens["id_token"], metadata)
    access_token = tokens.get("access_token")
    spoken = access_token if isinstance(access_token, str) else ""
    check_id_token(token, metadata, client_id=config.oidc_client_id, nonce=begun.nonce, access_token=spoken, now=time.time())
    if named is not None and named != token.claims["iss"]:
        raise SignInRefused("answer and ID token are from two providers (RFC 9207)")
    person = _person(token, metadata, access_token, config)
    return Arrival(person, begun, tokens["id_token"] if metadata.end_session_endpoint else "")


def _person(token: Token, metadata: Metadata, access_token: object, config: Config) -> Person:
    claims, mail = dict(token.claims), config.mail_server is not None
    wanted = [config.oidc_owner_claim, "name", *(["email"] if mail else [])]
    if any(find_claim(claims, name) is None for name in wanted):
        claims = {**provider().user_info(metadata, access_token, claims["sub"]), **claims}
    return read_person(claims, config.oidc_owner_claim, with_mail=mail, auth_time=time_of(token.claims, "auth_time"))


def is_fresh(arrival: Arrival) -> bool:
    """Whether the person proved who they are after they were sent (``max_age=0``)."""
    at = arrival.person.auth_time
    return at is not None and at >= arrival.begun.at - LEEWAY_S


def receive_logout(logout_token: str) -> Token:
    """A logout token that the provider sent. Raises SignInRefused, ProviderUnreachable."""
    metadata = provider().metadata()
    token = provider().keys.open(logout_token, metadata, of_stranger=True)
    check_logout_token(token, metadata, client_id=site().config.oidc_client_id, now=time.time())
    return token


def sign_out_address(id_token: str) -> str:
    """The provider's sign-out page (OpenID RP-Initiated Logout); empty where there is none. Raises ProviderUnreachable."""
    metadata = provider().metadata()
    if not id_token or not metadata.end_session_endpoint:
        return ""
    asked = {"id_token_hint": id_token, "client_id": site().config.oidc_client_id}
    return _with(metadata.end_session_endpoint, asked | {"post_logout_redirect_uri": absolute(url_for("auth.signed_out"))})


def _remember(begun: Begun) -> None:
    """Of the sign-ins that a session began, the newest few: what a stranger can fill has a bound."""
    young = [one for one in session.get(_BEGUN, []) if one["at"] > begun.at - BEGUN_LIFETIME_S]
    session[_BEGUN] = [*young, asdict(begun)][-MOST_BEGUN:]
    current_session().needed = True


def _take_begun(state: str) -> Begun:
    """Each works once. Raises SignInRefused."""
    for one in session.get(_BEGUN, []):
        if state and hmac.compare_digest(one["state"].encode(), state.encode()) and one["at"] > time.time() - BEGUN_LIFETIME_S:
            session[_BEGUN] = [other for other in session[_BEGUN] if other is not one]
            return Begun(**one | {"purpose": Purpose(one["purpose"])})
    raise SignInRefused("this browser did not start the sign-in, or started it over an hour ago")


def _error_code(code: object) -> str:
    """As the standards spell them; anything else may be a person's or an attacker's words."""
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else "an error"


def _with(url: str, parameters: Mapping[str, str]) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(parameters)}"
