"""OpenID Connect as Authlib's server side speaks it, bound to our store, client and members."""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests
from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2 import OAuth2Request
from authlib.oauth2.rfc6749 import InvalidRequestError, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from authlib.oidc.core.userinfo import UserInfoEndpoint
from authlib.oidc.rpinitiated import EndSessionEndpoint
from authlib.oidc.rpinitiated.end_session import EndSessionRequest
from flask import g
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from config import Config
from demo.members import BY_SUB, Member
from demo.provider.client import Client
from demo.provider.store import ALGORITHM, KEY_ID, BrowserSession, Code, Store, Token

SCOPES = ("openid", "profile", "email")
MAIL_CLAIMS = ("email", "email_verified")
ID_TOKEN_LIFETIME_S = 3600
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN_LIFETIME_S = 120
TIMEOUT_S = 2


class Provider(AuthorizationServer):
    """The server with its grant and endpoints. ``end_session`` is called once a request to sign out has been found valid."""

    def __init__(self, config: Config, store: Store, end_session: Callable[[], None]) -> None:
        self.issuer = config.oidc_issuer
        self.store = store
        self.client = Client.of(config, SCOPES)
        super().__init__(query_client=self._find_client, save_token=self._keep_token)
        self.load_config({"OAUTH2_SCOPES_SUPPORTED": list(SCOPES)})
        self.register_grant(CodeGrant, [S256Required(), IdTokens(self)])
        protector = ResourceProtector()
        protector.register_token_validator(StoredTokens(store, self.client))
        self.register_endpoint(Claims(resource_protector=protector))
        self.register_endpoint(Logout(KeySet([store.key]), end_session))

    def discovery(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0, section 3."""
        endpoints = {
            "authorization_endpoint": "/authorize",
            "token_endpoint": "/token",
            "userinfo_endpoint": "/userinfo",
            "jwks_uri": "/jwks.json",
            "end_session_endpoint": "/sign-out",
        }
        return {
            "issuer": self.issuer,
            **{name: self.issuer + path for name, path in endpoints.items()},
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
            "claims_supported": [
                "sub",
                "iss",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "nonce",
                "sid",
                "name",
                "preferred_username",
                *MAIL_CLAIMS,
            ],
        }

    def jwks(self) -> dict[str, Any]:
        return dict(KeySet([self.store.key]).as_dict(private=False))

    def tell_portal(self, ended: BrowserSession) -> None:
        """OpenID Connect Back-Channel Logout 1.0: that a session ended. A portal that is away is not waited for."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.client.client_id,
            "iat": now,
            "exp": now + LOGOUT_TOKEN_LIFETIME_S,
            "jti": secrets.token_urlsafe(16),
            "events": {LOGOUT_EVENT: {}},
            "sub": ended.member.sub,
            "sid": ended.sid,
        }
        token = jwt.encode({"alg": ALGORITHM, "kid": KEY_ID, "typ": "logout+jwt"}, claims, self.store.key, [ALGORITHM])
        with suppress(requests.RequestException):
            requests.post(self.client.back_channel_logout_uri, data={"logout_token": token}, timeout=TIMEOUT_S)

    def _find_client(self, client_id: str) -> Client | None:
        return self.client if client_id == self.client.client_id else None

    def _keep_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        self.store.save_token(token["access_token"], request.user.sub, token["scope"], int(time.time()) + token["expires_in"])


class S256Required(CodeChallenge):
    """Authlib asks only public clients for a challenge, and takes "plain" when no method is named; here it is S256 or nothing."""

    def validate_code_challenge(self, grant: grants.AuthorizationCodeGrant, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)


class IdTokens(OpenIDCode):
    def __init__(self, provider: Provider) -> None:
        super().__init__(require_nonce=True)
        self._provider = provider

    def exists_nonce(self, nonce: str, _request: OAuth2Request) -> bool:
        return self._provider.store.has_nonce(nonce)

    def resolve_client_private_key(self, _client: Client) -> RSAKey:
        return self._provider.store.key

    def get_client_algorithm(self, _client: Client) -> str:
        return ALGORITHM

    def get_authorization_code_claims(self, authorization_code: Code) -> dict[str, Any]:
        return {**super().get_authorization_code_claims(authorization_code), "sid": authorization_code.sid}

    def get_encode_header(self, _client: Client) -> dict[str, str]:
        return {"alg": ALGORITHM, "kid": KEY_ID}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        return {"iss": self._provider.issuer, "aud": client.client_id, "exp": int(time.time()) + ID_TOKEN_LIFETIME_S}

    def generate_user_info(self, user: Member, scope: str) -> UserInfo:
        return _claims(user, scope)


class Claims(UserInfoEndpoint):
    def generate_user_info(self, user: Member, scope: str) -> UserInfo:
        return _claims(user, scope)


def _claims(member: Member, scope: str) -> UserInfo:
    mail = dict(zip(MAIL_CLAIMS, (member.email, True), strict=True))
    return UserInfo(sub=member.sub, name=member.name, preferred_username=member.sub, **mail).filter(scope)


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)
    server: Provider

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        data = request.payload.data
        values = {name: data[name] for name in ("client_id", "redirect_uri", "nonce", "code_challenge", "code_challenge_method")}
        session: BrowserSession = g.browser_session
        who = {"sub": request.user.sub, "sid": session.sid, "auth_time": session.auth_time}
        self.server.store.save_code(code, {**who, "scope": request.scope, **values})

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        return self.server.store.find_code(code, client.client_id)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        self.server.store.delete_code(authorization_code)

    def authenticate_user(self, authorization_code: Code) -> Member | None:
        return BY_SUB.get(authorization_code.sub)


class StoredTokens(BearerTokenValidator):
    def __init__(self, store: Store, client: Client) -> None:
        super().__init__()
        self._store = store
        self._client = client

    def authenticate_token(self, token_string: str) -> Token | None:
        return self._store.find_token(token_string, self._client)


class Logout(EndSessionEndpoint):
    def __init__(self, keys: KeySet, end_session: Callable[[], None]) -> None:
        super().__init__()
        self._keys = keys
        self._end_session = end_session

    def get_server_jwks(self) -> KeySet:
        return self._keys

    def end_session(self, _request: EndSessionRequest) -> None:
        self._end_session()
