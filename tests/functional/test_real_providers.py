"""What real OpenID providers do, and what hostile ones try: over HTTP, with signatures."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import select
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from models import Account, Identity
from tests.support.databases import SqliteDatabases
from tests.support.hostile_provider import HostileProvider, hostile_provider
from tests.support.portals import TestedPortal, Visitor, portal_for_tests

TENANT = "0f8fad5b-d9cb-469f-a165-70867728950e"
Opener = Callable[..., TestedPortal]


@pytest.fixture
def open_portal(tmp_path: Path, sqlite_databases: SqliteDatabases, member_catalogues: Path) -> Iterator[Opener]:
    """A portal at a provider that a test names."""
    with ExitStack() as undo:

        def opened(issuer: str, **settings: Any) -> TestedPortal:
            url = undo.enter_context(sqlite_databases.fresh())
            settings = {"oidc_issuer": issuer, **settings}
            return undo.enter_context(portal_for_tests(tmp_path / "data", url, member_catalogues, provider=False, **settings))

        (tmp_path / "data").mkdir()
        yield opened


@pytest.fixture
def provider() -> Iterator[HostileProvider]:
    with hostile_provider() as provider:
        yield provider


def come(portal: TestedPortal, visitor: Visitor | None = None) -> TestResponse:
    """Goes to the provider and comes back; the portal's answer to the callback."""
    visitor = visitor or portal.visitor()
    sent = visitor.get("/auth/sign-in?next=/requests")
    assert sent.status_code == 302, sent.text
    back = requests.get(sent.location, allow_redirects=False, timeout=10)
    return visitor.get("/" + back.headers["Location"].split("/", 3)[3])


def identity(portal: TestedPortal) -> Identity:
    with portal.workplace.reading() as session:
        return session.scalars(select(Identity)).one()


@contextmanager
def refusal(reason: str, look_at: str = "") -> Iterator[None]:
    """The log says why, and names the setting to look at."""
    with capture_logs() as logs:
        yield
    told = [one for one in logs if one["event"] in ("sign_in_refused", "unavailable")]
    assert [(reason in one["reason"], one.get("look_at")) for one in told[:1]] == [(True, look_at)], logs


# --- issuers ---


@pytest.mark.parametrize("spelled", ["", "/"])
@pytest.mark.parametrize("configured", ["", "/"])
def test_an_issuer_with_and_without_a_slash_at_its_end_is_one(open_portal: Opener, spelled: str, configured: str):
    with hostile_provider("{base}" + spelled) as provider:
        portal = open_portal(provider.base + configured)
        assert come(portal).location == "/requests"
        assert identity(portal).iss == provider.base + spelled


def test_entras_common_takes_the_tokens_of_a_tenant(open_portal: Opener):
    with hostile_provider("{base}/{tenantid}/v2.0", "/common/v2.0") as provider:
        portal = open_portal(f"{provider.base}/common/v2.0")
        provider.claims = {"iss": f"{provider.base}/{TENANT}/v2.0", "tid": TENANT}
        assert come(portal).status_code == 302
        assert identity(portal).iss == f"{provider.base}/{TENANT}/v2.0"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "{base}/{tenantid}/v2.0"},
        {"iss": "{base}/" + TENANT + "/v2.0"},
        {"iss": "{base}/" + TENANT + "/v2.0", "tid": TENANT.replace("0", "1")},
        {"iss": "{base}/evil/v2.0", "tid": "evil"},
        {"iss": "https://evil.example/" + TENANT + "/v2.0", "tid": TENANT},
        {"iss": "{base}/" + TENANT + "/v2.0/more", "tid": TENANT},
    ],
)
def test_entras_common_takes_no_token_that_does_not_name_its_tenant(open_portal: Opener, claims: dict[str, str]):
    with hostile_provider("{base}/{tenantid}/v2.0", "/common/v2.0") as provider:
        portal = open_portal(f"{provider.base}/common/v2.0")
        provider.claims = {name: value.replace("{base}", provider.base) for name, value in claims.items()}
        with refusal("of another issuer", "DEMUR_OIDC_ISSUER"):
            assert come(portal).status_code == 400


def test_a_wrong_iss_in_the_callback_is_refused_and_no_code_is_redeemed(open_portal: Opener, provider: HostileProvider):
    portal = open_portal(provider.base)
    provider.answer = {"iss": "https://evil.example"}
    with refusal("from another provider (RFC 9207)", "DEMUR_OIDC_ISSUER"):
        assert come(portal).status_code == 400
    provider.answer = {"iss": provider.base}
    assert come(portal).status_code == 302


def test_a_provider_that_names_itself_in_its_answers_always_does(open_portal: Opener, provider: HostileProvider):
    provider.discovery = {"authorization_response_iss_parameter_supported": True}
    portal = open_portal(provider.base)
    with refusal("does not say which provider it is from"):
        assert come(portal).status_code == 400


# --- keys and algorithms ---


@pytest.mark.parametrize(("before", "after"), [("first", "second"), ("first", None), (None, None), (None, "second"), ("same", "same")])
def test_keys_rotate_with_and_without_kid(open_portal: Opener, provider: HostileProvider, before: str | None, after: str | None):
    provider.kid = before
    portal = open_portal(provider.base)
    assert come(portal).status_code == 302
    provider.rotate(after)
    assert come(portal).status_code == 302


def test_a_key_that_is_not_the_providers_signs_nobody_in(open_portal: Opener, provider: HostileProvider):
    portal = open_portal(provider.base)
    honest, published = provider.jwks(), provider.key
    provider.rotate("first")
    with hostile_provider() as other:  # serves the honest keys, while another key signs
        other.key = published
        provider.discovery = {"jwks_uri": f"{other.base}/keys"}
        assert other.jwks()["keys"][0]["n"] == honest["keys"][0]["n"]
        with refusal("no key of the provider signed the token"):
            assert come(portal).status_code == 400


@pytest.mark.parametrize("missing", ["jwks_uri", "token_endpoint", "authorization_endpoint"])
def test_a_discovery_document_that_lacks_an_address_is_a_page_not_a_fault(open_portal: Opener, provider: HostileProvider, missing: str):
    provider.discovery = {missing: None}
    portal = open_portal(provider.base)
    with refusal(f"the discovery document lacks {missing}", "DEMUR_OIDC_ISSUER"):
        answer = portal.visitor().get("/auth/sign-in")
    assert (answer.status_code, "Signing in is not possible right now" in answer.text) == (503, True)


@pytest.mark.parametrize("algorithms", [None, []])
def test_algorithms_that_are_null_or_none_are_the_one_that_every_provider_has(
    open_portal: Opener, provider: HostileProvider, algorithms: object
):
    provider.discovery = {"id_token_signing_alg_values_supported": algorithms}
    assert come(open_portal(provider.base)).status_code == 302


def test_a_provider_without_public_key_signatures_is_refused(open_portal: Opener, provider: HostileProvider):
    provider.discovery = {"id_token_signing_alg_values_supported": ["none", "HS256"]}
    with refusal("by no algorithm with public keys", "DEMUR_OIDC_ISSUER"):
        assert open_portal(provider.base).visitor().get("/auth/sign-in").status_code == 503


# --- claims ---


@pytest.mark.parametrize(
    ("claim", "claims", "userinfo", "owner"),
    [
        ("uid", {"uid": 12345678901234567890}, {}, "12345678901234567890"),
        ("uid", {"uid": ["ada"]}, {}, "ada"),
        ("uid", {"uid": [7]}, {}, "7"),
        ("user.id", {"user": {"id": "ada"}}, {}, "ada"),
        ("https://photos.example/user.id", {"https://photos.example/user.id": "ada"}, {}, "ada"),
        ("uid", {}, {"uid": "ada"}, "ada"),
        ("user.id", {}, {"user": {"id": 7}}, "7"),
    ],
)
def test_an_owner_is_found_as_providers_spell_it(
    open_portal: Opener, provider: HostileProvider, claim: str, claims: dict[str, Any], userinfo: dict[str, Any], owner: str
):
    provider.claims, provider.userinfo = claims, userinfo
    portal = open_portal(provider.base, oidc_owner_claim=claim)
    assert come(portal).status_code == 302
    assert identity(portal).owner == owner


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "neither ID token nor UserInfo has the claim uid"),
        ("", "neither ID token nor UserInfo has the claim uid"),
        ([], "neither ID token nor UserInfo has the claim uid"),
        (["a", "b"], "is a list of 2"),
        (True, "is a yes or no"),
        (1.5, "is a number with a decimal point"),
        ({"id": "ada"}, "is a group of claims"),
        ("ad\0a", "holds a NUL character"),
        ("ada\ud83d", "lone surrogate"),
        ("a" * 1025, "is longer than 1,024 bytes"),
    ],
)
def test_an_owner_that_is_none_names_the_setting_to_look_at(open_portal: Opener, provider: HostileProvider, value: object, reason: str):
    provider.claims = {"uid": value}
    portal = open_portal(provider.base, oidc_owner_claim="uid")
    with refusal(reason, "DEMUR_OIDC_OWNER_CLAIM"):
        assert come(portal).status_code == 400


@pytest.mark.parametrize("name", ["Ada\ud83d Okafor", "Ada\0 Okafor", "Ada\u202e Okafor", "\nAda  Okafor "])
def test_a_name_is_shown_without_what_cannot_be_stored_or_seen(open_portal: Opener, provider: HostileProvider, name: str):
    provider.claims = {"name": name}
    portal = open_portal(provider.base)
    assert come(portal).status_code == 302
    with portal.workplace.reading() as session:
        assert session.scalars(select(Account.display_name)).one() == "Ada Okafor"


def test_userinfo_about_another_person_is_refused(open_portal: Opener, provider: HostileProvider):
    provider.userinfo = {"sub": "s2", "uid": "ben"}
    portal = open_portal(provider.base, oidc_owner_claim="uid")
    with refusal("UserInfo is about another person"):
        assert come(portal).status_code == 400


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.example"}, "of another issuer"),
        ({"aud": "another"}, "for another client"),
        ({"aud": ["demur", "another"]}, "for another client"),
        ({"azp": "another"}, "for another client"),
        ({"exp": 1}, "has expired"),
        ({"exp": None}, "has expired"),
        ({"exp": float("nan")}, "has expired"),
        ({"iat": 9_999_999_999}, "in the future"),
        ({"iat": float("nan")}, "in the future"),
        ({"nbf": 9_999_999_999}, "in the future"),
        ({"nonce": "another"}, "its nonce differs"),
        ({"nonce": None}, "its nonce differs"),
        ({"sub": None}, "names no subject"),
        ({"sub": 7}, "names no subject"),
        ({"at_hash": "another"}, "belongs to another access token"),
    ],
)
def test_an_id_token_that_proves_nothing_is_refused(open_portal: Opener, provider: HostileProvider, claims: dict[str, Any], reason: str):
    provider.claims = claims
    portal = open_portal(provider.base)
    with capture_logs() as logs:
        assert come(portal).status_code == 400
    assert any(reason in one.get("reason", "") for one in logs), logs
    with portal.workplace.reading() as session:
        assert session.scalars(select(Account)).all() == []


# --- ways back ---


def test_a_provider_without_end_session_says_that_one_is_signed_out_here_alone(open_portal: Opener, provider: HostileProvider):
    portal = open_portal(provider.base)
    visitor = portal.visitor()
    come(portal, visitor)
    visitor.get("/account")
    leaving = visitor.post("/auth/sign-out")
    assert leaving.location == "/auth/signed-out?here_only=1"
    assert "sign out there, too" in visitor.get(leaving.location).text
    assert visitor.get("/account").status_code == 302


def test_an_id_token_is_kept_only_where_signing_out_needs_it(open_portal: Opener, provider: HostileProvider):
    portal = open_portal(provider.base)
    come(portal)
    with portal.app.extensions["demur"].engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT sealed FROM web_session").scalars().all() == [None]


def test_try_again_after_a_failed_callback_starts_a_new_sign_in(open_portal: Opener, provider: HostileProvider):
    provider.answer = {"error": "access_denied", "code": None}
    portal = open_portal(provider.base)
    visitor = portal.visitor()
    answer = come(portal, visitor)
    assert answer.status_code == 400
    assert 'href="/auth/sign-in?next=/requests">Sign in again' in answer.text
    assert "/auth/callback" not in answer.text
    provider.answer = {}
    assert come(portal, visitor).status_code == 302


def test_a_provider_that_asks_nobody_again_confirms_nothing(open_portal: Opener, provider: HostileProvider):
    portal = open_portal(provider.base)
    visitor = portal.visitor()
    come(portal, visitor)
    for auth_time in (1_000_000_000, None, "now", float("nan")):
        provider.claims = {"auth_time": auth_time}
        visitor.get("/account/link")
        sent = visitor.post("/account/confirm")
        assert parse_qs(urlsplit(sent.location).query)["max_age"] == ["0"]
        back = requests.get(sent.location, allow_redirects=False, timeout=10)
        with refusal("did not ask the person to sign in again", "DEMUR_OIDC_ISSUER"):
            assert visitor.get("/" + back.headers["Location"].split("/", 3)[3]).status_code == 400
        assert "Sign in once more" in visitor.get("/account/link").text
