"""A real browser before a portal that is served over HTTP."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.databases import SqliteDatabases
from tests.support.portals import TestedPortal, free_port, import_for_members, portal_for_tests, serving

EXPECTED = "status of 4(04|29) "


@pytest.fixture(scope="session")
def member_catalogues(photos_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return import_for_members(photos_dir, tmp_path_factory.mktemp("members"))


@pytest.fixture
def portal(
    request: pytest.FixtureRequest, tmp_path: Path, sqlite_databases: SqliteDatabases, member_catalogues: Path
) -> Iterator[TestedPortal]:
    """A test may give it other settings, as an indirect parameter."""
    port = free_port()
    settings = {"base_url": f"http://127.0.0.1:{port}", "demo": True} | getattr(request, "param", {})
    with (
        sqlite_databases.fresh() as url,
        portal_for_tests(tmp_path, url, member_catalogues, **settings) as portal,
        serving(portal.app, port),
    ):
        yield portal


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, portal: TestedPortal) -> Iterator[Open]:
    """Opens a page of a fresh browser at the portal. A script's error or a refused resource fails the test, unless it is not found or
    comes too often, or the complaint is ``expected`` (a regular expression)."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(*, expected: str = EXPECTED, **options: object) -> Page:
        context = browser.new_context(base_url=portal.config.base_url, **options)  # type: ignore[arg-type]  # options of Playwright
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda said: complaints.append(said.text) if said.type == "error" and not re.search(expected, said.text) else None
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def sign_in(page: Page, name: str = "Amara Okafor") -> None:
    """From any page with a link to sign in, over the provider's member picker."""
    page.goto("/auth/sign-in")
    page.get_by_role("button", name=name).click()
    page.wait_for_url("**/photos")
