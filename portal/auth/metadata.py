"""What a provider says about itself (OpenID Connect Discovery 1.0), and whether we can work with it. Pure, but for the fetching."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from portal.auth.patience import TIMEOUT_S, UntilDue
from portal.auth.refusals import ProviderUnreachable

LONGEST_S = 10  # for all of an answer, and for those that lead to it, however little comes at a time
MOST_BYTES = 1_000_000
# A provider that also lists "none" or HS256 cannot talk us into an unsigned token or one signed with public key material.
SIGNATURES = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"})
TENANT = "{tenantid}"  # Entra's `common` serves every tenant, and each token names its own
_TENANT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OF_ALL_TENANTS = ("common", "organizations", "consumers")


@dataclass(frozen=True)
class Metadata:
    """``issuer`` is as the provider spells it. ``algorithms`` are those of its ID tokens that we accept. Empty: the provider names none."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    algorithms: tuple[str, ...]
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    token_auth: tuple[str, ...] = ("client_secret_basic",)
    names_itself: bool = False  # in the answer to a sign-in (RFC 9207)
    back_channel_logout: bool = False
    claims: tuple[str, ...] = ()

    @classmethod
    def parse(cls, found: Mapping[str, Any], configured: str) -> Self:
        """Raises ProviderUnreachable, with what is missing."""
        issuer = _text(found, "issuer")
        if not is_same_issuer(configured, issuer):
            raise ProviderUnreachable("the discovery document is of another issuer than DEMUR_OIDC_ISSUER names")
        named = found.get("id_token_signing_alg_values_supported")  # required there, and null at some
        offered = _texts(found, "id_token_signing_alg_values_supported") if named else ("RS256",)
        algorithms = tuple(name for name in offered if name in SIGNATURES)
        if not algorithms:
            raise ProviderUnreachable("the provider signs ID tokens by no algorithm with public keys that we accept")
        needed = {name: _url(found, name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
        if missing := [name for name, url in needed.items() if not url]:
            raise ProviderUnreachable(f"the discovery document lacks {', '.join(missing)}")
        return cls(
            issuer=issuer,
            **needed,
            algorithms=algorithms,
            userinfo_endpoint=_url(found, "userinfo_endpoint"),
            end_session_endpoint=_url(found, "end_session_endpoint"),
            token_auth=_texts(found, "token_endpoint_auth_methods_supported") or ("client_secret_basic",),
            names_itself=found.get("authorization_response_iss_parameter_supported") is True,
            back_channel_logout=found.get("backchannel_logout_supported") is True,
            claims=_texts(found, "claims_supported"),
        )

    def is_issuer(self, iss: object, tenant: object = None) -> bool:
        """Whether a token or an answer with this ``iss`` is the provider's. ``tenant``: the token's ``tid``; None where it is unknown."""
        if TENANT not in self.issuer:
            return iss == self.issuer
        if not isinstance(iss, str) or not iss.startswith(self.issuer.split(TENANT)[0]):
            return False
        named = iss.removeprefix(self.issuer.split(TENANT)[0])[:36]
        return _TENANT_ID.fullmatch(named) is not None and iss == self.issuer.replace(TENANT, named) and tenant in (None, named)


def is_same_issuer(configured: str, stated: str) -> bool:
    """As spelled, but for a slash at the end (Auth0 has one, and people leave it out), and for the tenant of Entra's shared addresses."""
    spellings = [stated, *(stated.replace(TENANT, name) for name in _OF_ALL_TENANTS)]
    return configured.rstrip("/") in [spelling.rstrip("/") for spelling in spellings]


def fetch_metadata(configured: str) -> Metadata:
    """Raises ProviderUnreachable."""
    if not configured:
        raise ProviderUnreachable("no OpenID provider is configured")
    return Metadata.parse(fetch_json(f"{configured.rstrip('/')}/.well-known/openid-configuration", "the discovery document"), configured)


def fetch_json(url: str, what: str, *, method: str = "GET", ok: Sequence[int] = (200,), **options: Any) -> dict[str, Any]:
    """A JSON object of at most ``MOST_BYTES``, answered with one of the status codes ``ok``. Raises ProviderUnreachable."""
    due = time.monotonic() + LONGEST_S
    try:
        with requests.Session() as session:
            for scheme in ("https://", "http://"):
                session.mount(scheme, UntilDue(due))
            with session.request(method, url, timeout=TIMEOUT_S, stream=True, **options) as answer:
                if answer.status_code not in ok:
                    raise ProviderUnreachable(f"{what} was answered with status {answer.status_code}")
                return _json_object(answer, what)
    except (requests.RequestException, HTTPError, UnicodeError) as error:
        late = time.monotonic() >= due
        failed = f"took longer than {LONGEST_S} seconds" if late else f"cannot be fetched: {type(error).__name__}"
        raise ProviderUnreachable(f"{what} {failed}") from error


def _json_object(answer: requests.Response, what: str) -> dict[str, Any]:
    body = b""
    while piece := answer.raw.read1(65536, decode_content=True):
        body += piece
        if len(body) > MOST_BYTES:
            raise ProviderUnreachable(f"{what} is larger than {MOST_BYTES} bytes")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProviderUnreachable(f"{what} is not JSON") from error
    if not isinstance(found, dict):
        raise ProviderUnreachable(f"{what} is not a JSON object")
    return found


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _texts(found: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = found.get(name)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _url(found: Mapping[str, Any], name: str) -> str:
    value = _text(found, name)
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme in ("https", "http") and parts.netloc else ""
