"""Security finding M7: who read the lookup page needed SQLite's write lock; who could not have it waited a minute and read of a fault."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portal import SESSION_PATIENCE_S
from tests.support.databases import SqliteDatabases
from tests.support.portals import ADA, TestedPortal, portal_for_tests

READ_BY_STRANGERS = ("/", "/lookup", "/runs", "/exclusion-list", "/verify", "/nothing", "/healthz")


@pytest.fixture
def on_sqlite(tmp_path: Path, sqlite_databases: SqliteDatabases, member_catalogues: Path) -> Iterator[TestedPortal]:
    with sqlite_databases.fresh() as url, portal_for_tests(tmp_path, url, member_catalogues) as portal:
        yield portal


@contextmanager
def write_lock(portal: TestedPortal) -> Iterator[None]:
    other = sqlite3.connect(portal.config.database.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


def test_who_reads_waits_for_no_lock(on_sqlite: TestedPortal):
    member = on_sqlite.member(ADA)
    with write_lock(on_sqlite):
        began = time.monotonic()
        for path in READ_BY_STRANGERS:
            assert on_sqlite.visitor().get(path).status_code in (200, 404)
        for path in ("/photos", "/account", "/requests", "/lookup", "/nothing"):
            assert member.get(path).status_code in (200, 404)
        assert time.monotonic() - began < SESSION_PATIENCE_S


def test_a_sign_in_that_cannot_be_kept_is_503_soon_and_a_lookup_goes_on(on_sqlite: TestedPortal):
    stranger = on_sqlite.visitor()
    stranger.get("/lookup")
    with write_lock(on_sqlite):
        began = time.monotonic()
        answer = on_sqlite.visitor().get("/auth/sign-in")
        assert time.monotonic() - began < 2 * SESSION_PATIENCE_S
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert "We are busy for a moment" in answer.text
        assert stranger.post("/lookup", {"fingerprint": "{}"}).status_code == 422
        assert on_sqlite.visitor().get("/healthz").status_code == 200


def test_a_message_that_cannot_be_kept_is_lost_and_the_page_comes(on_sqlite: TestedPortal):
    member = on_sqlite.member(ADA)
    member.get("/photos")
    with write_lock(on_sqlite):
        assert member.post("/opt-outs/check", {}).status_code == 303  # "Choose at least one photo first"


def test_who_signs_out_while_it_cannot_be_kept_is_told_so(on_sqlite: TestedPortal):
    member = on_sqlite.member(ADA)
    member.get("/photos")
    with write_lock(on_sqlite):
        assert member.post("/auth/sign-out").status_code == 503
    assert member.get("/photos").status_code == 200
