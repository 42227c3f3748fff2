"""Where a list's files come from: a directory, or the same relative paths over HTTP."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from demur.exclusions.trusted import Unreachable

_TIMEOUT = (5.0, 30.0)  # seconds to connect, and between two reads
_LONGEST_REASON = 4096  # bytes of an answer that refuses
_RETRY = Retry(total=3, backoff_factor=0.2, status_forcelist=(502, 503, 504), allowed_methods=("GET",), raise_on_status=False)


class Missing(Unreachable):
    """The place answers, but has no such file."""


class Source(Protocol):
    """Reads files of a list by their path relative to the list's base."""

    def read(self, path: str, limit: int) -> bytes:
        """The file's bytes, cut after `limit` + 1 so that an endless file is seen as too long. Raises Missing, Unreachable."""

    def open(self, path: str, limit: int) -> BinaryIO:
        """The same for a large file, without holding it in memory: at its beginning, to be closed. Raises Missing, Unreachable."""


class DirectorySource:
    """A list directory on this machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, path: str, limit: int) -> bytes:
        with self.open(path, limit) as file:
            try:
                return file.read(limit + 1)
            except OSError as error:
                raise Unreachable(f"{self._directory / path} cannot be read: {error.strerror}") from error

    def open(self, path: str, limit: int) -> BinaryIO:
        """The file itself: it ends where it ends."""
        try:
            return open(self._directory / path, "rb")
        except FileNotFoundError as error:
            raise Missing(f"{self._directory} has no {path}") from error
        except OSError as error:
            raise Unreachable(f"{self._directory / path} cannot be read: {error.strerror}") from error


class HttpSource:
    """A list served over HTTP. Asks with If-None-Match for what it has read with an ETag, so that an unchanged head costs a 304."""

    def __init__(self, url: str, token: str | None) -> None:
        self._base = url if url.endswith("/") else url + "/"
        self._token = token
        self._seen: dict[str, tuple[str, bytes]] = {}

    def read(self, path: str, limit: int) -> bytes:
        known = {"If-None-Match": self._seen[path][0]} if path in self._seen else {}
        with self._asked("GET", path, headers=known) as response:
            if response.status_code == 304 and path in self._seen:
                return self._seen[path][1]
            body = b"".join(_pieces(response, limit))
            if "ETag" in response.headers and "immutable" not in response.headers.get("Cache-Control", ""):
                self._seen[path] = (response.headers["ETag"], body)
            return body

    def open(self, path: str, limit: int) -> BinaryIO:
        with ExitStack() as closing:
            file = closing.enter_context(tempfile.TemporaryFile())
            with self._asked("GET", path) as response:
                file.writelines(_pieces(response, limit))
            file.seek(0)
            closing.pop_all()
            return file

    def tell(self, path: str, told: dict[str, Any]) -> int:
        """Sends JSON and returns the status of the answer, whose body is left unread. Raises Unreachable."""
        with self._asked("POST", path, json=told) as response:
            return response.status_code

    @contextmanager
    def _asked(self, method: str, path: str, **sent: Any) -> Iterator[requests.Response]:
        try:
            with requests.Session() as session:
                session.mount("http://", HTTPAdapter(max_retries=_RETRY))
                session.mount("https://", HTTPAdapter(max_retries=_RETRY))
                url = urljoin(self._base, path)
                with session.request(method, url, auth=self._authorize, timeout=_TIMEOUT, stream=True, **sent) as response:
                    yield response
        except requests.RequestException as error:
            raise Unreachable(f"{urlsplit(self._base).netloc or self._base} did not answer with {path}: {_reason(error)}") from error

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As an auth callable rather than a header: else an entry in ~/.netrc would silently take the token's place.
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _pieces(response: requests.Response, limit: int) -> Iterator[bytes]:
    """The body in pieces, cut after `limit` + 1 bytes. Raises Missing, Unreachable."""
    if response.status_code == 404:
        raise Missing(f"{response.url} does not exist")
    if response.status_code in (401, 403):
        refused = "refused the token" if "Authorization" in response.request.headers else "wants a token, and none was given"
        raise Unreachable(f"{response.url} {refused} ({response.status_code}{_reason_of(response)})")
    if response.status_code != 200:
        raise Unreachable(f"{response.url} answered {response.status_code}{_reason_of(response)}")
    left = limit + 1
    for piece in response.iter_content(1 << 16):
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return


def _reason_of(response: requests.Response) -> str:
    """What the answer's JSON says of why, such as the portal's ``detail``; nothing where it says nothing that can be read."""
    try:
        told = json.loads(next(response.iter_content(_LONGEST_REASON), b""))
    except (ValueError, RecursionError, requests.RequestException):
        return ""
    reasons = [told.get(name) for name in ("detail", "error")] if isinstance(told, dict) else []
    said = next((reason for reason in reasons if isinstance(reason, str) and reason), "")
    return f": {said}" if said else ""


def open_source(url_or_dir: str | Path, token: str | None) -> Source:
    """A source for an http(s) URL or a directory. Raises Unreachable for an address that is none."""
    text = str(url_or_dir)
    try:
        scheme = urlsplit(text).scheme
    except ValueError as error:
        raise Unreachable(f"{text} is not an address: {error}") from error
    if scheme in ("http", "https"):
        return HttpSource(text, token)
    return DirectorySource(Path(text))


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
