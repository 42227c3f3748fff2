"""The platform's OpenID provider, through Authlib's client.

Authorization code with PKCE (S256), state and nonce; all three are kept in the server-side session. Discovery is read at the first
sign-in, not at start, so that the portal starts and serves while the provider is down.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import FlaskOAuth2App, OAuth
from flask import Flask, current_app, redirect, request, session, url_for
from joserfc.errors import JoseError
from requests import RequestException
from werkzeug.wrappers import Response

from config import MAIL_ADDRESS, Config
from portal.site import site

TIMEOUT_S = 5
EXTENSION = "demur.provider"
# A provider that also lists "none" or HS256 cannot talk us into an unsigned token or one signed with public key material.
SIGNATURES = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"})

logger = structlog.get_logger("portal")


class ProviderUnreachable(Exception):
    """The provider does not answer, or answers with something that is no OpenID discovery document."""


class SignInRefused(Exception):
    """The provider's answer does not prove who came back."""


@dataclass(frozen=True)
class Person:
    """Who the provider says has signed in. ``owner`` is the value of the catalogue's owner column. ``email`` is confirmed, or empty; it is
    asked for only where receipts can be mailed."""

    iss: str
    sub: str
    owner: str
    display_name: str
    email: str
    id_token: str


@dataclass(frozen=True)
class Return:
    """Where a sign-in goes on to; ``linking`` is the public id of the account that asked to add an identity."""

    next: str
    linking: str


def init_app(app: Flask, config: Config) -> None:
    app.extensions[EXTENSION] = OAuth(app).register(
        "platform",
        client_id=config.oidc_client_id,
        client_secret=config.oidc_client_secret or None,
        server_metadata_url=f"{config.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid profile email" if config.mail_server else "openid profile",
            "code_challenge_method": "S256",
            "default_timeout": TIMEOUT_S,
            "token_endpoint_auth_method": "client_secret_basic" if config.oidc_client_secret else "none",
        },
    )


def send_to_provider(then: Return, **parameters: str) -> Response:
    """Redirect to the provider's sign-in page. Raises ProviderUnreachable."""
    client = _client()
    asked = client.create_authorization_url(_callback(), **parameters)
    client.save_authorize_data(redirect_uri=_callback(), next=then.next, linking=then.linking, **asked)
    return redirect(asked["url"])


def receive_person() -> tuple[Person, Return]:
    """Who came back to the callback, and where they go on. Raises SignInRefused, ProviderUnreachable."""
    client = _client()
    kept = client.framework.get_state_data(session, request.args.get("state"))
    if not kept:
        raise SignInRefused("this browser did not start the sign-in, or started it over an hour ago")
    with _refusals():
        token = client.authorize_access_token(claims_options=_required_claims())
    if "userinfo" not in token:
        raise SignInRefused("the provider sent no ID token")
    return _person(token["userinfo"], token["id_token"]), Return(kept["next"], kept["linking"])


def end_at_provider(id_token: str) -> Response:
    """Redirect to the provider's sign-out page, where it has one (OpenID RP-Initiated Logout). Raises ProviderUnreachable."""
    client = _client()
    if not id_token or "end_session_endpoint" not in client.server_metadata:
        return redirect(url_for("auth.signed_out"))
    back = site().config.base_url.rstrip("/") + url_for("auth.signed_out")
    answer: Response = client.logout_redirect(back, id_token_hint=id_token, client_id=site().config.oidc_client_id)
    return answer


def confirm_signed_out() -> None:
    """Takes the state of a sign-out that came back, if there is one; an unknown one changes nothing."""
    client = current_app.extensions[EXTENSION]
    if request.args.get("state") and client.framework.get_state_data(session, request.args["state"]):
        client.validate_logout_response()


def _client() -> FlaskOAuth2App:
    """The client with the provider's discovery document loaded and checked. Raises ProviderUnreachable."""
    client = current_app.extensions[EXTENSION]
    issuer = site().config.oidc_issuer
    if not issuer:
        raise ProviderUnreachable("no OpenID provider is configured")
    try:
        metadata: dict[str, Any] = client.load_server_metadata()
    except (RequestException, ValueError) as error:
        raise ProviderUnreachable(type(error).__name__) from error
    if metadata.get("issuer") != issuer:  # OpenID Connect Discovery 1.0, section 4.3
        client.server_metadata.clear()
        raise ProviderUnreachable("the discovery document names another issuer")
    offered = metadata.get("id_token_signing_alg_values_supported", ["RS256"])
    metadata["id_token_signing_alg_values_supported"] = [name for name in offered if name in SIGNATURES]
    return client


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except RequestException as error:
        raise ProviderUnreachable(type(error).__name__) from error
    except (AuthlibBaseError, JoseError, ValueError) as error:
        logger.warning("sign_in_refused", error=type(error).__name__)
        raise SignInRefused(type(error).__name__) from error


def _required_claims() -> dict[str, dict[str, Any]]:
    return {
        "iss": {"essential": True, "value": site().config.oidc_issuer},
        "sub": {"essential": True},
        "aud": {"essential": True, "value": site().config.oidc_client_id},
        "exp": {"essential": True},
        "nonce": {"essential": True},
    }


def _person(claims: dict[str, Any], id_token: str) -> Person:
    owner = claims.get(site().config.oidc_owner_claim)
    if not isinstance(owner, str) or not owner:
        raise SignInRefused("the ID token does not say whose photos are this person's")
    name = claims.get("name") or claims.get("preferred_username") or claims["sub"]
    email = _mail_address(claims) if site().config.mail_server else ""
    return Person(iss=claims["iss"], sub=claims["sub"], owner=owner, display_name=str(name)[:120], email=email, id_token=id_token)


def _mail_address(claims: dict[str, Any]) -> str:
    """The address, if the provider confirmed that it is this person's (OpenID Connect Core, section 5.1)."""
    address = claims.get("email")
    if claims.get("email_verified") is True and isinstance(address, str) and MAIL_ADDRESS.fullmatch(address):
        return address
    return ""


def _callback() -> str:
    return site().config.base_url.rstrip("/") + url_for("auth.callback")
