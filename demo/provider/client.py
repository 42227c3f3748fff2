"""The one client that the provider knows: the portal."""

import secrets
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin

from config import Config


@dataclass(frozen=True)
class Client(ClientMixin):
    """A confidential client that authenticates by HTTP Basic. Its return addresses are compared whole."""

    client_id: str
    secret: str
    redirect_uri: str
    post_logout_redirect_uri: str
    back_channel_logout_uri: str
    scopes: tuple[str, ...]

    @classmethod
    def of(cls, config: Config, scopes: tuple[str, ...]) -> "Client":
        base = config.base_url.rstrip("/")
        addresses = (f"{base}/auth/callback", f"{base}/auth/signed-out", f"{base}/auth/back-channel-logout")
        return cls(config.oidc_client_id, config.oidc_client_secret, *addresses, scopes)

    @property
    def client_metadata(self) -> dict[str, Any]:
        return {"post_logout_redirect_uris": [self.post_logout_redirect_uri]}

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(asked for asked in (scope or "").split() if asked in self.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return bool(self.secret) and secrets.compare_digest(self.secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return endpoint != "token" or method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"
