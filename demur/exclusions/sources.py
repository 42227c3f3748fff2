"""Where a list's files come from: a directory, or the same relative paths over HTTP."""

from pathlib import Path
from typing import Protocol
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from demur.exclusions.trusted import Unreachable

_TIMEOUT = (5.0, 30.0)  # seconds to connect, and between two reads
_RETRY = Retry(total=3, backoff_factor=0.2, status_forcelist=(502, 503, 504), allowed_methods=("GET",), raise_on_status=False)


class Missing(Unreachable):
    """The place answers, but has no such file."""


class Source(Protocol):
    """Reads files of a list by their path relative to the list's base."""

    def read(self, path: str, limit: int) -> bytes:
        """The file's bytes, cut after `limit` + 1 so that an endless file is seen as too long. Raises Missing, Unreachable."""


class DirectorySource:
    """A list directory on this machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, path: str, limit: int) -> bytes:
        try:
            with open(self._directory / path, "rb") as file:
                return file.read(limit + 1)
        except FileNotFoundError as error:
            raise Missing(f"{self._directory} has no {path}") from error
        except OSError as error:
            raise Unreachable(f"{self._directory / path} cannot be read: {error.strerror}") from error


class HttpSource:
    """A list served over HTTP. Asks with If-None-Match for what it has seen with an ETag, so that an unchanged head costs a 304."""

    def __init__(self, url: str, token: str | None) -> None:
        self._base = url if url.endswith("/") else url + "/"
        self._token = token
        self._seen: dict[str, tuple[str, bytes]] = {}

    def read(self, path: str, limit: int) -> bytes:
        try:
            with requests.Session() as session:
                session.mount("http://", HTTPAdapter(max_retries=_RETRY))
                session.mount("https://", HTTPAdapter(max_retries=_RETRY))
                url, known = urljoin(self._base, path), self._known(path)
                with session.get(url, headers=known, auth=self._authorize, timeout=_TIMEOUT, stream=True) as response:
                    return self._body(response, path, limit)
        except requests.RequestException as error:
            raise Unreachable(f"{urlsplit(self._base).netloc or self._base} did not answer with {path}: {_reason(error)}") from error

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As an auth callable rather than a header: else an entry in ~/.netrc would silently take the token's place.
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _known(self, path: str) -> dict[str, str]:
        return {"If-None-Match": self._seen[path][0]} if path in self._seen else {}

    def _body(self, response: requests.Response, path: str, limit: int) -> bytes:
        if response.status_code == 304 and path in self._seen:
            return self._seen[path][1]
        if response.status_code == 404:
            raise Missing(f"{response.url} does not exist")
        if response.status_code in (401, 403):
            raise Unreachable(f"{response.url} refused the token ({response.status_code})")
        if response.status_code != 200:
            raise Unreachable(f"{response.url} answered {response.status_code}")
        body = bytearray()
        for chunk in response.iter_content(1 << 16):
            body += chunk
            if len(body) > limit:
                break
        if "ETag" in response.headers:
            self._seen[path] = (response.headers["ETag"], bytes(body[: limit + 1]))
        return bytes(body[: limit + 1])


def open_source(url_or_dir: str | Path, token: str | None) -> Source:
    """A source for an http(s) URL or a directory."""
    text = str(url_or_dir)
    if urlsplit(text).scheme in ("http", "https"):
        return HttpSource(text, token)
    return DirectorySource(Path(text))


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
