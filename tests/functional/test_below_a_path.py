"""The portal below a path of a host, however the proxy in front passes it on; and what a request may not claim about where it is."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.databases import SqliteDatabases
from tests.support.portals import ADA, TestedPortal, portal_for_tests

ORIGIN = "https://photos.example"
FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "photos.example"}
Opener = Callable[..., TestedPortal]


@pytest.fixture
def open_portal(tmp_path: Path, sqlite_databases: SqliteDatabases, member_catalogues: Path) -> Iterator[Opener]:
    with ExitStack() as undo:

        def opened(**settings: Any) -> TestedPortal:
            url = undo.enter_context(sqlite_databases.fresh())
            return undo.enter_context(portal_for_tests(tmp_path, url, member_catalogues, **settings))

        yield opened


class Browser:
    """Asks for ``/demur/…``, and passes it on as one kind of proxy does."""

    def __init__(self, portal: TestedPortal, way: str) -> None:
        self._client: FlaskClient = portal.app.test_client(use_cookies=False)
        self._way = way
        self._cookies: dict[str, str] = {}  # all of them are for /demur, where the browser is

    def get(self, address: str) -> TestResponse:
        parts = urlsplit(address)
        assert parts.path.startswith("/demur"), f"{address} leaves the path"
        cut = f"{parts.path.removeprefix('/demur') or '/'}?{parts.query}"
        environ, headers, path = {}, {}, cut
        match self._way:
            case "passed on":
                path = f"{parts.path}?{parts.query}"
            case "script name":
                environ = {"SCRIPT_NAME": "/demur"}
            case "forwarded prefix":
                headers = FORWARDED | {"X-Forwarded-Prefix": "/demur"}
        headers |= {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        answer = self._client.open(path, base_url=ORIGIN, environ_overrides=environ, headers=headers, buffered=True)
        for cookie in answer.headers.getlist("Set-Cookie"):
            name, value = cookie.split(";")[0].split("=", 1)
            self._cookies[name] = value
        return answer


WAYS = {
    "passed on": {"base_url": f"{ORIGIN}/demur"},
    "cut off": {"base_url": f"{ORIGIN}/demur/"},
    "script name": {"base_url": f"{ORIGIN}/demur"},
    "forwarded prefix": {"base_url": f"{ORIGIN}/demur", "trusted_proxies": 1},
}


@pytest.mark.parametrize("way", WAYS)
def test_below_a_path_signing_in_links_and_static_files_are_right(open_portal: Opener, way: str):
    portal = open_portal(**WAYS[way])
    browser = Browser(portal, way)
    front = browser.get("/demur/")
    assert front.status_code == 200
    assert 'href="/demur/lookup"' in front.text
    assert 'href="/demur/static/demur.css' in front.text
    assert 'href="/demur/demur' not in front.text
    assert browser.get("/demur/static/demur.css").status_code == 200

    asked = browser.get("/demur/photos")
    assert asked.location == "/demur/auth/sign-in?next=/demur/photos"
    sent = browser.get(asked.location)
    assert parse_qs(urlsplit(sent.location).query)["redirect_uri"] == [f"{ORIGIN}/demur/auth/callback"]
    back = requests.post(sent.location, data={"member": ADA}, allow_redirects=False, timeout=10).headers["Location"]
    assert back.startswith(f"{ORIGIN}/demur/auth/callback?")
    entered = browser.get(back)
    assert entered.location == "/demur/photos"
    [cookie] = entered.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Secure-demur=")
    assert {"Secure", "HttpOnly", "Path=/demur", "SameSite=Lax"} <= set(cookie.split("; "))
    page = browser.get("/demur/photos")
    assert (page.status_code, "Amara Okafor" in page.text, 'aria-current="page"' in page.text) == (200, True, True)


@pytest.mark.parametrize("way", WAYS)
def test_below_a_path_addresses_for_others_have_it_once(open_portal: Opener, way: str):
    portal = open_portal(**WAYS[way])
    portal.run("list", "publish", "--force")
    page = Browser(portal, way).get("/demur/exclusion-list").text
    assert f"{ORIGIN}/demur/api/v1/exclusion-list/" in page
    assert "demur/demur" not in page


def test_a_path_that_a_trusted_proxy_names_is_enough(open_portal: Opener):
    portal = open_portal(base_url=ORIGIN, trusted_proxies=1)
    sent = Browser(portal, "forwarded prefix").get("/demur/auth/sign-in")
    assert parse_qs(urlsplit(sent.location).query)["redirect_uri"] == [f"{ORIGIN}/demur/auth/callback"]


# --- what is not believed ---


def test_a_host_that_is_not_ours_is_refused_and_never_linked_to(open_portal: Opener):
    portal = open_portal()
    for path in ("/", "/photos/", "/auth/sign-in", "/runs//x"):
        answer = portal.app.test_client().get(path, base_url="http://evil.test")
        assert answer.status_code == 421
        assert "evil.test" not in answer.text + str(answer.headers)
    assert portal.app.test_client().post("/lookup", base_url="http://evil.test").status_code == 421


def test_whether_it_is_alive_may_be_asked_by_any_name(open_portal: Opener):
    assert open_portal().app.test_client().get("/healthz", base_url="http://10.0.0.7:8000").status_code == 200


def test_this_machine_by_another_name_is_sent_to_the_portals_own(open_portal: Opener):
    portal = open_portal()
    port = urlsplit(portal.config.base_url).port
    answer = portal.app.test_client().get("/photos?page=2", base_url=f"http://localhost:{port}")
    assert answer.location == f"{portal.config.base_url}/photos?page=2"


@pytest.mark.parametrize("script_name", ["/evil", "//evil.test", "/photos"])
def test_a_script_name_and_forwarded_headers_are_not_believed(open_portal: Opener, script_name: str):
    portal = open_portal()
    headers = {"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/evil", "Forwarded": "host=evil.test"}
    answer = portal.app.test_client().get("/", headers=headers, environ_overrides={"SCRIPT_NAME": script_name})
    assert answer.status_code == 200
    assert "evil" not in answer.text
    sent = portal.app.test_client().get("/auth/sign-in", headers=headers, environ_overrides={"SCRIPT_NAME": script_name})
    assert parse_qs(urlsplit(sent.location).query)["redirect_uri"] == [f"{portal.config.base_url}/auth/callback"]
