"""``flask oidc check``: what a sign-in would meet, without a person."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.auth.metadata import fetch_metadata
from portal.auth.refusals import ProviderUnreachable
from tests.support.databases import SqliteDatabases
from tests.support.hostile_provider import HostileProvider, dripping_provider, hostile_provider
from tests.support.portals import TestedPortal, portal_for_tests


@pytest.fixture
def provider() -> Iterator[HostileProvider]:
    with hostile_provider() as provider:
        yield provider


@pytest.fixture
def at_provider(tmp_path: Path, sqlite_databases: SqliteDatabases, member_catalogues: Path, provider: HostileProvider):
    settings = {"oidc_issuer": provider.base, "oidc_owner_claim": "user.id"}
    with sqlite_databases.fresh() as url, portal_for_tests(tmp_path, url, member_catalogues, provider=False, **settings) as portal:
        yield portal


def lines(portal: TestedPortal) -> tuple[int, dict[str, dict[str, Any]]]:
    done = portal.run("oidc", "check", "--json")
    return done.exit_code, {line["what"]: line for line in json.loads(done.stdout)}


def test_a_good_provider_is_found_good_and_its_claims_are_shown(at_provider: TestedPortal, provider: HostileProvider):
    provider.discovery = {"claims_supported": ["sub", "user"], "backchannel_logout_supported": True}
    code, told = lines(at_provider)
    assert code == 0
    assert told["discovery"] == {"what": "discovery", "result": "good", "detail": f"issuer {provider.base}", "look_at": ""}
    assert told["algorithm RS256"]["detail"] == "1 of 1 keys can verify it"
    assert (told["claim user.id"]["result"], told["claim auth_time"]["result"]) == ("good", "look at")
    assert "whose photos" in told["claim user.id"]["detail"]
    assert told["back-channel logout"]["result"] == "good"
    assert "no end_session_endpoint" in told["signing out there"]["detail"]


def test_the_table_is_readable(at_provider: TestedPortal):
    text = at_provider.run("oidc", "check").output
    assert "claim user.id" in text
    assert "DEMUR_OIDC_OWNER_CLAIM" in text, "the claim is not listed by the provider, so the setting is named"


@pytest.mark.parametrize(
    ("discovery", "what", "reason", "setting"),
    [
        ({"issuer": "https://evil.example"}, "discovery", "of another issuer", "DEMUR_OIDC_ISSUER"),
        ({"jwks_uri": None}, "discovery", "lacks jwks_uri", "DEMUR_OIDC_ISSUER"),
        ({"jwks_uri": "{base}/nothing"}, "keys", "answered with status 404", "DEMUR_OIDC_ISSUER"),
        ({"id_token_signing_alg_values_supported": [["RS256"], None]}, "discovery", "by no algorithm", "DEMUR_OIDC_ISSUER"),
        ({"id_token_signing_alg_values_supported": ["HS256"]}, "discovery", "by no algorithm", "DEMUR_OIDC_ISSUER"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "client", "takes private_key_jwt", "DEMUR_OIDC_CLIENT_SECRET"),
    ],
)
def test_what_is_broken_is_named_with_the_setting_to_look_at(
    at_provider: TestedPortal, provider: HostileProvider, discovery: dict[str, Any], what: str, reason: str, setting: str
):
    url = discovery.get("jwks_uri")
    provider.discovery = discovery | ({"jwks_uri": url.replace("{base}", provider.base)} if url else {})
    code, told = lines(at_provider)
    assert code == 1
    assert (told[what]["result"], reason in told[what]["detail"], told[what]["look_at"]) == ("broken", True, setting)


def test_a_provider_that_is_away_is_one_sentence(portal_without_provider: TestedPortal):
    code, told = lines(portal_without_provider)
    assert code == 1
    assert "cannot be fetched: ConnectionError" in told["discovery"]["detail"]


def test_it_signs_nobody_in(at_provider: TestedPortal, provider: HostileProvider):
    lines(at_provider)
    assert provider.asked == {}


@pytest.mark.parametrize("head", ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_an_answer_that_drips_is_given_up(head: str):
    drops = "X-More: 1\r\n" if "\r\n\r\n" not in head else " "
    with dripping_provider(head, drops) as issuer, pytest.raises(ProviderUnreachable, match="document took longer than 10 seconds"):
        fetch_metadata(issuer)
