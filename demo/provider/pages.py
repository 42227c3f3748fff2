"""The provider over HTTP: the protocol's endpoints, and the two pages that a person sees."""

import secrets

from authlib.oauth2 import OAuth2Error
from flask import Flask, Response, abort, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from demo.members import BY_SUB, MEMBERS
from demo.provider.protocol import Provider
from demo.provider.store import BrowserSession

# Not "session": browsers send a host's cookies to every port, and the portal is on the same host.
COOKIE = "lantern_session"


def register(app: Flask, provider: Provider) -> None:
    @app.get("/.well-known/openid-configuration")
    def discovery() -> ResponseReturnValue:
        return jsonify(provider.discovery())

    @app.get("/jwks.json")
    def jwks() -> ResponseReturnValue:
        return jsonify(provider.jwks())

    @app.get("/healthz")
    def health() -> ResponseReturnValue:
        return "ok\n", {"Content-Type": "text/plain"}

    @app.route("/authorize", methods=["GET", "POST"])
    def authorize() -> ResponseReturnValue:
        return _authorize(provider)

    @app.post("/token")
    def token() -> ResponseReturnValue:
        answer: Response = provider.create_token_response()
        return answer

    @app.route("/userinfo", methods=["GET", "POST"])
    def userinfo() -> ResponseReturnValue:
        answer: Response = provider.create_endpoint_response("userinfo")
        return answer

    @app.route("/sign-out", methods=["GET", "POST"])
    def sign_out() -> ResponseReturnValue:
        return _sign_out(provider)

    @app.after_request
    def protect(response: Response) -> Response:
        return _protect(response, provider)


def end_browser_session(provider: Provider) -> None:
    """Signs this browser out, and tells the portal. The browser's cookie goes with the answer."""
    cookie = request.cookies.get(COOKIE, "")
    if ended := provider.store.find_session(cookie):
        provider.store.end_session(cookie)
        provider.tell_portal(ended)
    g.signed_out = True


def _authorize(provider: Provider) -> ResponseReturnValue:
    """The member picker; a member picked goes back to the portal with a code."""
    signed_in = provider.store.find_session(request.cookies.get(COOKIE, ""))
    try:
        grant = provider.get_consent_grant(end_user=signed_in.member if signed_in else None)
    except OAuth2Error as error:
        return _refused(provider, error)
    if request.args.get("prompt") == "none":
        return _granted(provider, grant, signed_in)
    if request.method == "GET":
        here = signed_in.member if signed_in else None
        return render_template("pick.html", members=MEMBERS, signed_in=here, client=provider.client)
    picked = BY_SUB.get(request.form.get("member", "")) or abort(400)
    cookie = secrets.token_urlsafe(32)
    answer = _granted(provider, grant, provider.store.begin_session(cookie, picked))
    answer.set_cookie(COOKIE, cookie, httponly=True, samesite="Lax")
    return answer


def _refused(provider: Provider, error: OAuth2Error) -> ResponseReturnValue:
    """Back to the portal where the return address is known to be its own; else a page, for anyone could be behind the address."""
    if getattr(error, "redirect_uri", None):
        answer: Response = provider.handle_error_response(request, error)
        return answer
    return render_template("refused.html", error=error), 400


def _granted(provider: Provider, grant: object, session: BrowserSession | None) -> Response:
    g.browser_session = session
    answer: Response = provider.create_authorization_response(grant_user=session.member if session else None, grant=grant)
    return answer


def _sign_out(provider: Provider) -> ResponseReturnValue:
    """OpenID Connect RP-Initiated Logout 1.0. Without a valid ID token it asks first, for anyone can link here (section 6)."""
    try:
        wish = provider.validate_endpoint_request("end_session")
    except OAuth2Error as error:
        return render_template("refused.html", error=error), 400
    if wish.needs_confirmation and request.method == "GET":
        return render_template("sign_out.html", done=False)
    answer: Response | None = provider.create_endpoint_response("end_session", wish)
    return answer or render_template("sign_out.html", done=True)


def _protect(response: Response, provider: Provider) -> Response:
    if g.get("signed_out"):
        response.delete_cookie(COOKIE, httponly=True, samesite="Lax")
    portal = provider.client.redirect_uri.removesuffix("/auth/callback")
    # Browsers apply form-action to where a form's answer redirects, too, and that is the portal.
    policy = f"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {portal}; frame-ancestors 'none'; base-uri 'none'"
    response.headers["Content-Security-Policy"] = policy
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
