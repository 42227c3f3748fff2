"""A browser without a window: signs in at Lantern, reads pages and sends their forms, as a member would."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

TIMEOUT_S = 60
AGAIN = Retry(total=2, allowed_methods=("GET",))  # the server may close a connection that was kept just when it is used again
_FORM_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
_CHOICE = re.compile(r'name="uid" value="([^"]+)"')

Fields = Mapping[str, str | Sequence[str]]


class Lost(Exception):
    """A page was not where it should be, or had no form to send."""


class Visitor:
    """One person's browser. ``page`` is the page in front of them."""

    def __init__(self, portal: str) -> None:
        self._portal = portal.rstrip("/")
        self._browser = requests.Session()
        self._browser.mount("http://", HTTPAdapter(max_retries=AGAIN))
        self.page = requests.Response()

    def visit(self, path: str) -> str:
        """Goes to a page of the portal and returns its text. Raises Lost."""
        return self._arrive(self._browser.get(self._portal + path, timeout=TIMEOUT_S))

    def fetch(self, path: str) -> bytes:
        """Downloads a file of the portal. The page in front stays. Raises Lost."""
        answer = self._browser.get(self._portal + path, timeout=TIMEOUT_S)
        if not answer.ok:
            raise Lost(f"{path} answered {answer.status_code}")
        return answer.content

    def send(self, path: str, fields: Fields, files: Mapping[str, Any] | None = None) -> str:
        """Sends a form of the page in front, with its token, and returns the page that follows. Raises Lost."""
        found = _FORM_TOKEN.search(self.page.text)
        if not found:
            raise Lost(f"{self.page.url} has no form")
        data = {"csrf_token": html.unescape(found[1]), **fields}
        return self._arrive(self._browser.post(self._portal + path, data=data, files=files, timeout=TIMEOUT_S))

    def sign_in(self, member: str) -> str:
        """Picks ``member`` at the provider and returns the page of the portal that follows. Raises Lost."""
        return self.pick(member, self._browser.get(f"{self._portal}/auth/sign-in", timeout=TIMEOUT_S))

    def link(self, me: str, member: str) -> str:
        """Shows once more that it is ``me``, and adds another of Lantern's identities to the account. Raises Lost."""
        self.visit("/account/link")
        self.send("/account/confirm", {})
        self.pick(me, self.page)
        self.send("/account/link", {})
        return self.pick(member, self.page)

    def pick(self, member: str, picker: requests.Response) -> str:
        """Picks ``member`` on the provider's page. Raises Lost."""
        if f'value="{member}"' not in picker.text:
            raise Lost(f"{picker.url} is no member picker (status {picker.status_code})")
        return self._arrive(self._browser.post(picker.url, data={"member": member}, timeout=TIMEOUT_S))

    def sign_out(self) -> str:
        """Signs out here and at the provider. Raises Lost."""
        self.visit("/account")
        return self.send("/auth/sign-out", {})

    def choices(self) -> list[str]:
        """The uids of the photos that the page in front offers to choose."""
        return [html.unescape(uid) for uid in _CHOICE.findall(self.page.text)]

    def close(self) -> None:
        self._browser.close()

    def _arrive(self, page: requests.Response) -> str:
        if not page.ok:
            raise Lost(f"{page.request.method} {page.url} answered {page.status_code}")
        self.page = page
        return page.text
