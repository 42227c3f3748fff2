"""Response headers, and how requests are read: within bounds, and uploads in memory.

No page holds an inline script or style, so the content policy needs neither a nonce nor 'unsafe-inline'.
"""

from io import BytesIO
from tempfile import NamedTemporaryFile
from typing import IO, cast
from urllib.parse import urlsplit

from flask import Flask, Request, Response, current_app, request

from config import Config
from portal.bodies import body_of
from portal.bounds import most_bytes
from portal.sessions import is_members

FORM_PARTS = 10_000  # fields of a multipart form: more than a page has boxes; each costs its parser some 2 kB and 30 µs


class PortalRequest(Request):
    """A request whose pictures never touch the disk: Werkzeug would spool whatever exceeds 500 kB to a file."""

    def _get_file_stream(
        self, total_content_length: int | None, content_type: str | None, filename: str | None = None, content_length: int | None = None
    ) -> IO[bytes]:
        return cast(IO[bytes], NamedTemporaryFile("rb+")) if body_of(current_app, self.endpoint).spooled else BytesIO()


def init_app(app: Flask, config: Config) -> None:
    policy = content_policy(config)
    secure = config.base_url.startswith("https://")

    @app.before_request
    def bound_body() -> None:
        request.max_content_length = most_bytes(app, config)
        request.max_form_memory_size = body_of(app, request.endpoint).most

    @app.after_request
    def protect(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", policy)
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "geolocation=(), microphone=(), payment=(), usb=()")
        if secure:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-store" if is_members() else "private, no-cache"
        return response


def content_policy(config: Config) -> str:
    """The Content-Security-Policy. Signing out posts a form that ends at the provider, so its origin may receive forms."""
    pictures = " ".join(("'self'", "blob:", *config.photo_origins))
    provider = origin(config.oidc_issuer)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "worker-src 'self'",
            "style-src 'self'",
            f"img-src {pictures}",
            "connect-src 'self'",
            f"form-action 'self' {provider}".rstrip(),
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def origin(url: str) -> str:
    """``https://host:port`` of a URL; empty for an empty one, and for what is none, as manifests have it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
