"""Telling the publisher of a list which version was applied to a manifest, and what that dropped (docs/api.md).

Nobody needs to: a list is obeyed without it. It is how an operator learns who still trains by an old version.
"""

from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

from demur.errors import DemurError
from demur.exclusions.head import Head

LONGEST_NAME = 200  # of a manifest, in characters
_TIMEOUT = (5.0, 30.0)  # seconds to connect, and to answer
_REFUSALS = {
    401: "the token is not known there",
    403: "the token may not read the list",
    404: "it takes no acknowledgements",
    422: "it never published this version",
}


class NotAcknowledged(DemurError):
    """The publisher could not be told. What was filtered is filtered all the same."""


def acknowledge(url_or_dir: str | Path, head: Head, *, token: str | None, manifest: str, rows: int, dropped: int) -> None:
    """Says that the version of `head` was applied to `manifest`, and that `dropped` of its `rows` rows went. Raises NotAcknowledged.

    Args:
        url_or_dir: where the list was pulled from. A directory has nobody who could be told.
        token: API token, sent as a Bearer token.
        manifest: any name by which the operator and you can speak about it; cut to LONGEST_NAME printable characters.
    """
    base = str(url_or_dir)
    if urlsplit(base).scheme not in ("http", "https"):
        raise NotAcknowledged("the list was read from a directory, not from its publisher")
    name = "".join(filter(str.isprintable, manifest))[:LONGEST_NAME]
    told = {"version": head.version, "root": head.root, "manifest": name, "rows": rows, "dropped": dropped}
    status = _post(urljoin(base if base.endswith("/") else base + "/", "acknowledgements"), told, token)
    if status != 201:
        raise NotAcknowledged(f"{urlsplit(base).netloc} answered {status}" + (f": {_REFUSALS[status]}" if status in _REFUSALS else ""))


def _post(url: str, told: dict[str, object], token: str | None) -> int:
    """The status of the answer, whose body is left unread. Raises NotAcknowledged."""

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As an auth callable rather than a header: else an entry in ~/.netrc would silently take the token's place.
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    try:
        with requests.post(url, json=told, auth=authorize, timeout=_TIMEOUT, stream=True) as response:
            return response.status_code
    except requests.RequestException as error:
        raise NotAcknowledged(f"{urlsplit(url).netloc} did not answer: {type(error).__name__}") from error
