"""Signed tokens of the provider: its keys, ID tokens (OpenID Connect Core 1.0, section 3.1.3.7), logout tokens (Back-Channel Logout 1.0,
section 2.6)."""

import hmac
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from authlib.oidc.core.util import create_half_hash
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from portal.auth.metadata import TENANT, Metadata, fetch_json
from portal.auth.refusals import ProviderUnreachable, SignInRefused

MOST_LETTERS = 32_768  # of a token
MOST_KEYS = 64
FRESH_S = 3600  # keys are fetched again after an hour, so that one that was taken back ends
QUIET_S = 10  # strangers' tokens make us fetch keys no more often
LEEWAY_S = 120  # by which the provider's clock may differ
LOGOUT_WINDOW_S = 300
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TYPE = "logout+jwt"

Claims = Mapping[str, Any]


@dataclass(frozen=True)
class Token:
    """A token whose signature holds; its claims are not checked yet."""

    header: Mapping[str, Any]
    claims: Claims


@dataclass
class KeyRing:
    """The provider's signing keys, fetched when needed and kept for a while. One for each process; any thread may ask."""

    _keys: Sequence[Mapping[str, Any]] = ()
    _fetched: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, token: str, metadata: Metadata, *, of_stranger: bool = False) -> Token:
        """The token, if one of the provider's keys signed it. Else the keys are fetched again: they rotate, with or without ``kid``.

        ``of_stranger``: anyone can send such tokens, so they cause few fetches. Raises SignInRefused, ProviderUnreachable.
        """
        header = _header(token)
        if header.get("alg") not in metadata.algorithms:
            raise SignInRefused("the token is signed by an algorithm that the discovery document does not name")
        age = time.monotonic() - self._fetched
        if self._keys and age < FRESH_S:
            opened = _opened(token, header, metadata, self._keys)
            if opened or (of_stranger and age < QUIET_S):
                return opened or _refuse()
        return _opened(token, header, metadata, self.fetch(metadata)) or _refuse()

    def fetch(self, metadata: Metadata) -> Sequence[Mapping[str, Any]]:
        """Raises ProviderUnreachable."""
        with self._lock:
            keys = fetch_json(metadata.jwks_uri, "the provider's keys").get("keys")
            if not isinstance(keys, list) or not keys:
                raise ProviderUnreachable("the provider's jwks_uri holds no keys")
            self._keys, self._fetched = [key for key in keys[:MOST_KEYS] if isinstance(key, dict)], time.monotonic()
            return self._keys


def _refuse() -> Token:
    raise SignInRefused("no key of the provider signed the token")


def _header(token: str) -> Mapping[str, Any]:
    if len(token) > MOST_LETTERS:
        raise SignInRefused(f"the token is longer than {MOST_LETTERS} letters")
    try:
        return jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, RecursionError) as error:
        raise SignInRefused("the token is no signed JSON Web Token") from error


def _opened(token: str, header: Mapping[str, Any], metadata: Metadata, keys: Sequence[Mapping[str, Any]]) -> Token | None:
    registry = jws.JWSRegistry(algorithms=list(metadata.algorithms), strict_check_header=False)
    for found in keys:
        key = _usable(found, header)
        if key is None:
            continue
        try:
            opened = jwt.decode(token, key, registry=registry)
        except (JoseError, ValueError, RecursionError):
            continue
        if _may_sign(found, opened.claims):
            return Token(opened.header, opened.claims)
    return None


def usable_keys(keys: Sequence[Mapping[str, Any]], algorithm: str) -> int:
    """How many keys could verify a token of this algorithm."""
    kind = {"R": "RSA", "P": "RSA", "E": "EC"}[algorithm[0]] if not algorithm.startswith("Ed") else "OKP"
    return sum(1 for key in keys if key.get("kty") == kind and _usable(key, {"alg": algorithm}) is not None)


def _may_sign(key: Mapping[str, Any], claims: Claims) -> bool:
    """Entra's shared addresses publish the keys of all tenants, and say at some of them for which."""
    return "issuer" not in key or str(key["issuer"]).replace(TENANT, str(claims.get("tid"))) == claims.get("iss")


def _usable(found: Mapping[str, Any], header: Mapping[str, Any]) -> Key | None:
    """The key, if it may have signed a token with this header. A key without ``kid`` may be any."""
    named = header.get("kid")
    if found.get("use", "sig") != "sig" or found.get("kty") == "oct" or (named and found.get("kid", named) != named):
        return None
    if found.get("alg", header["alg"]) != header["alg"]:
        return None
    try:
        return import_key(dict(found))
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def check_id_token(token: Token, metadata: Metadata, *, client_id: str, nonce: str, access_token: str, now: float) -> None:
    """Raises SignInRefused. ``now``: Unix seconds."""
    claims = token.claims
    _check_issued(claims, metadata, client_id, now)
    expires = time_of(claims, "exp")
    if expires is None or expires < now - LEEWAY_S:
        raise SignInRefused("the ID token has expired, or says no end")
    if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(claims["nonce"].encode(errors="replace"), nonce.encode()):
        raise SignInRefused("the ID token answers another sign-in: its nonce differs")
    if not isinstance(claims.get("sub"), str):
        raise SignInRefused("the ID token names no subject")
    expected = create_half_hash(access_token, token.header["alg"])
    if "at_hash" in claims and expected and claims["at_hash"] != expected.decode():
        raise SignInRefused("the ID token belongs to another access token")


def check_logout_token(token: Token, metadata: Metadata, *, client_id: str, now: float) -> None:
    """All but whether it was used before. Raises SignInRefused. ``now``: Unix seconds."""
    claims = token.claims
    if str(token.header.get("typ", "")).lower().removeprefix("application/") != LOGOUT_TYPE:
        raise SignInRefused(f"the logout token is not of the type {LOGOUT_TYPE}")
    issued = _check_issued(claims, metadata, client_id, now)
    expires = time_of(claims, "exp") if "exp" in claims else now
    if issued < now - LOGOUT_WINDOW_S or expires is None or expires < now - LEEWAY_S:
        raise SignInRefused("the logout token is too old")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise SignInRefused("the logout token is about another event")
    if "nonce" in claims:
        raise SignInRefused("a logout token has no nonce")
    named = [claims[name] for name in ("sid", "sub") if name in claims]
    if not named or not all(isinstance(name, str) and name for name in named):
        raise SignInRefused("the logout token names neither a session nor a subject")
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise SignInRefused("the logout token has no jti")


def _check_issued(claims: Claims, metadata: Metadata, client_id: str, now: float) -> float:
    """By the provider, for us, not in the future. Returns when, in Unix seconds."""
    if not metadata.is_issuer(claims.get("iss"), claims.get("tid", "")):
        raise SignInRefused("the token is of another issuer", "DEMUR_OIDC_ISSUER")
    audience = claims.get("aud")
    audience = audience if isinstance(audience, list) else [audience]
    if client_id not in audience or claims.get("azp", client_id) != client_id or (len(audience) > 1 and "azp" not in claims):
        raise SignInRefused("the token is for another client", "DEMUR_OIDC_CLIENT_ID")
    issued, begins = time_of(claims, "iat"), time_of(claims, "nbf")
    if issued is None or issued > now + LEEWAY_S or (begins is not None and begins > now + LEEWAY_S):
        raise SignInRefused("the token says no time of issue, or one in the future: compare the clocks")
    return issued


def time_of(claims: Claims, name: str) -> float | None:
    """A time in Unix seconds; None if the claim is none."""
    value = claims.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None
