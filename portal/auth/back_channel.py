"""The provider says that somebody's session there has ended (OpenID Connect Back-Channel Logout 1.0): ours ends, too."""

import structlog
from flask import jsonify, request
from flask.typing import ResponseReturnValue

from portal.auth.provider import receive_logout
from portal.auth.refusals import ProviderUnreachable, SignInRefused
from portal.database import db
from portal.site import now
from rights.sessions import end_sessions_at_provider, use_logout_token

UNCACHED = {"Cache-Control": "no-store"}
logger = structlog.get_logger("portal")


def receive_back_channel_logout() -> ResponseReturnValue:
    """200 once the sessions are ended; 400 for a token that does not hold, or was used before."""
    try:
        claims = receive_logout(request.form.get("logout_token", "")).claims
    except (SignInRefused, ProviderUnreachable) as refused:
        return _refused(str(refused), refused.look_at)
    if not use_logout_token(db(), claims["iss"], claims["jti"], now()):
        return _refused("the logout token was used before", "")
    ended = end_sessions_at_provider(db(), iss=claims["iss"], sub=claims.get("sub", ""), sid=claims.get("sid", ""))
    logger.info("signed_out_by_provider", sessions=ended)
    return "", 200, UNCACHED


def _refused(reason: str, look_at: str) -> ResponseReturnValue:
    logger.warning("logout_token_refused", reason=reason, look_at=look_at)
    return jsonify(error="invalid_request", error_description=reason), 400, UNCACHED
