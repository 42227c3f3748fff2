"""OpenID Connect Back-Channel Logout 1.0: the provider ends our sessions, and nobody else does."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from models import UsedLogoutToken
from supervisor.checks import address_of
from tests.support.hostile_provider import HostileProvider, hostile_provider
from tests.support.portals import ADA, TestedPortal, Visitor, portal_for_tests, serving

PATH = "/auth/back-channel-logout"


@pytest.fixture
def provider() -> Iterator[HostileProvider]:
    with hostile_provider() as provider:
        yield provider


@pytest.fixture
def at_provider(tmp_path: Path, database_url: str, member_catalogues: Path, provider: HostileProvider) -> Iterator[TestedPortal]:
    with portal_for_tests(tmp_path, database_url, member_catalogues, provider=False, oidc_issuer=provider.base) as portal:
        yield portal


def signed_in(portal: TestedPortal, provider: HostileProvider, sub: str = "s1", sid: str | None = "p1") -> Visitor:
    provider.claims = {"sub": sub, "sid": sid}
    visitor = portal.visitor()
    back = requests.get(visitor.get("/auth/sign-in").location, allow_redirects=False, timeout=10)
    assert visitor.get("/" + back.headers["Location"].split("/", 3)[3]).status_code == 302
    return visitor


def send(portal: TestedPortal, token: str) -> TestResponse:
    return portal.app.test_client().post(PATH, data={"logout_token": token})


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.get("/account").status_code == 200


def test_a_session_at_the_provider_ends_and_ours_with_it(at_provider: TestedPortal, provider: HostileProvider):
    here, other_browser, other_person = (signed_in(at_provider, provider, *who) for who in (("s1", "p1"), ("s1", "p2"), ("s2", "p3")))
    answer = send(at_provider, provider.logout_token())
    assert (answer.status_code, answer.headers["Cache-Control"], answer.text) == (200, "no-store", "")
    assert [is_signed_in(one) for one in (here, other_browser, other_person)] == [False, True, True]


def test_a_subject_without_a_session_ends_all_of_its_sessions(at_provider: TestedPortal, provider: HostileProvider):
    browsers = [signed_in(at_provider, provider, *who) for who in (("s1", "p1"), ("s1", None), ("s2", "p3"))]
    assert send(at_provider, provider.logout_token(sid=None)).status_code == 200
    assert [is_signed_in(one) for one in browsers] == [False, False, True]


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"iat": 1_000_000_000, "exp": None},
        {"iat": 9_999_999_999},
        {"iat": float("nan")},
        {"iat": None},
        {"exp": 1_000_000_000},
        {"exp": "soon"},
        {"events": None},
        {"events": {}},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": None}},
        {"nonce": "n"},
        {"sub": None, "sid": None},
        {"sub": 7},
        {"sid": ["p1"]},
        {"jti": None},
        {"jti": 7},
        {"typ": "JWT"},
        {"typ": None},
    ],
)
def test_a_token_that_is_no_logout_token_ends_nothing(at_provider: TestedPortal, provider: HostileProvider, changes: dict[str, Any]):
    visitor = signed_in(at_provider, provider)
    answer = send(at_provider, provider.logout_token(**changes))
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")
    assert is_signed_in(visitor)


def test_an_id_token_is_no_logout_token(at_provider: TestedPortal, provider: HostileProvider):
    visitor = signed_in(at_provider, provider)
    assert send(at_provider, provider.id_token("n", "a")).status_code == 400
    assert is_signed_in(visitor)


def test_another_key_ends_nothing_and_strangers_tokens_fetch_few_keys(at_provider: TestedPortal, provider: HostileProvider):
    visitor = signed_in(at_provider, provider)
    published = provider.key
    provider.rotate("first")
    forged = provider.logout_token()
    provider.key = published
    ring = at_provider.app.extensions["demur.provider"].keys
    fetched = ring._fetched
    for token in (forged, "", "a.b.c", "x" * 40_000, forged[:-4]):
        assert send(at_provider, token).status_code == 400
    assert ring._fetched == fetched
    assert is_signed_in(visitor)


def test_a_logout_token_works_once(at_provider: TestedPortal, provider: HostileProvider):
    token = provider.logout_token()
    assert send(at_provider, token).status_code == 200
    visitor = signed_in(at_provider, provider)
    assert send(at_provider, token).status_code == 400
    assert is_signed_in(visitor)
    with at_provider.workplace.reading() as session:
        assert session.scalar(select(func.count()).select_from(UsedLogoutToken)) == 1


def test_signing_out_at_the_demonstrations_provider_signs_out_here(portal: TestedPortal):
    _, port = address_of(portal.config.base_url)
    with serving(portal.app, port), requests.Session() as browser:
        picker = browser.get(f"{portal.config.base_url}/auth/sign-in", timeout=30)
        assert browser.post(picker.url, data={"member": ADA}, timeout=30).url.endswith("/photos")
        assert browser.post(f"{portal.config.oidc_issuer}/sign-out", timeout=30).ok
        answer = browser.get(f"{portal.config.base_url}/account", allow_redirects=False, timeout=30)
    assert answer.status_code == 302


def test_sessions_that_were_ended_stay_ended_after_a_new_sign_in(at_provider: TestedPortal, provider: HostileProvider):
    before = signed_in(at_provider, provider)
    send(at_provider, provider.logout_token(jti=f"j{time.time()}"))
    signed_in(at_provider, provider)
    assert not is_signed_in(before)
