"""The demo provider keeps to OpenID Connect: what a careful client relies on, and what it must refuse."""

import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from authlib.common.security import generate_token
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.test import TestResponse

from config import Config
from demo.members import MEMBERS
from demo.provider import create_provider

ISSUER = "http://127.0.0.1:8001"
PORTAL = "http://127.0.0.1:8000"
CALLBACK = f"{PORTAL}/auth/callback"
SECRET = "the portal's secret"


@pytest.fixture
def config() -> Config:
    return Config(base_url=PORTAL, oidc_issuer=ISSUER, oidc_client_secret=SECRET)


@pytest.fixture
def browser(config: Config, tmp_path: Path) -> FlaskClient:
    return create_provider(config, tmp_path).test_client()


def request_for(verifier: str, **changes: str | None) -> str:
    asked = {
        "response_type": "code",
        "client_id": "demur",
        "redirect_uri": CALLBACK,
        "scope": "openid profile",
        "state": "the-state",
        "nonce": generate_token(20),
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    return "/authorize?" + urlencode({name: value for name, value in (asked | changes).items() if value is not None})


def answer_of(response: TestResponse) -> dict[str, str]:
    assert response.status_code == 302, response.text
    assert response.location.startswith(f"{CALLBACK}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(response.location).query).items()}


def pick(browser: FlaskClient, verifier: str, member: str = "amara.okafor", **changes: str | None) -> dict[str, str]:
    return answer_of(browser.post(request_for(verifier, **changes), data={"member": member}, base_url=ISSUER))


def redeem(browser: FlaskClient, code: str, verifier: str, secret: str = SECRET) -> TestResponse:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
    return browser.post("/token", data=form, auth=("demur", secret), base_url=ISSUER)


def sign_in(browser: FlaskClient, **changes: str | None) -> dict[str, str]:
    verifier = generate_token(48)
    tokens: dict[str, str] = redeem(browser, pick(browser, verifier, **changes)["code"], verifier).json or {}
    return tokens


def claims_of(browser: FlaskClient, id_token: str) -> dict[str, object]:
    keys = KeySet.import_key_set(browser.get("/jwks.json").json)
    return dict(jwt.decode(id_token, keys, algorithms=["RS256"]).claims)


def test_the_picker_shows_every_member_under_a_loud_banner(browser: FlaskClient) -> None:
    page = browser.get(request_for(generate_token(48)), base_url=ISSUER).text
    assert "<b>Demonstration.</b>" in page
    assert re.findall(r'name="member" value="([^"]+)"', page) == [member.sub for member in MEMBERS]


def test_a_member_picked_becomes_an_id_token_for_the_portal(browser: FlaskClient) -> None:
    tokens = sign_in(browser, nonce="the-nonce")
    claims = claims_of(browser, tokens["id_token"])
    assert {name: claims[name] for name in ("iss", "aud", "sub", "name", "nonce")} == {
        "iss": ISSUER,
        "aud": "demur",
        "sub": "amara.okafor",
        "name": "Amara Okafor",
        "nonce": "the-nonce",
    }
    assert time.time() < int(str(claims["exp"])) < time.time() + 7200


def test_the_address_comes_to_who_asks_for_it(browser: FlaskClient) -> None:
    asked = claims_of(browser, sign_in(browser, scope="openid profile email")["id_token"])
    assert (asked["email"], asked["email_verified"]) == ("amara.okafor@lantern.example", True)
    assert not {"email", "email_verified"} & claims_of(browser, sign_in(browser)["id_token"]).keys()


def test_userinfo_answers_the_access_token_and_nothing_else(browser: FlaskClient) -> None:
    tokens = sign_in(browser)
    answer = browser.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}, base_url=ISSUER)
    assert answer.json == {"sub": "amara.okafor", "name": "Amara Okafor", "preferred_username": "amara.okafor"}
    assert browser.get("/userinfo", headers={"Authorization": "Bearer guessed"}, base_url=ISSUER).status_code == 401


def test_the_answer_carries_the_state(browser: FlaskClient) -> None:
    assert pick(browser, generate_token(48))["state"] == "the-state"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"nonce": None},
    ],
)
def test_a_request_without_s256_or_nonce_goes_back_refused(browser: FlaskClient, changes: dict[str, str | None]) -> None:
    response = browser.get(request_for(generate_token(48), **changes), base_url=ISSUER)
    assert answer_of(response)["error"] == "invalid_request"


@pytest.mark.parametrize(
    "changes",
    [{"redirect_uri": "https://elsewhere.example/auth/callback"}, {"redirect_uri": f"{CALLBACK}/more"}, {"client_id": "someone"}],
)
def test_an_unknown_client_or_return_address_is_never_redirected_to(browser: FlaskClient, changes: dict[str, str]) -> None:
    for response in (
        browser.get(request_for(generate_token(48), **changes), base_url=ISSUER),
        browser.post(request_for(generate_token(48), **changes), data={"member": "amara.okafor"}, base_url=ISSUER),
    ):
        assert response.status_code == 400
        assert "Location" not in response.headers


def test_a_code_is_redeemed_once_with_its_verifier_and_the_client_secret(browser: FlaskClient) -> None:
    verifier = generate_token(48)
    code = pick(browser, verifier)["code"]
    assert redeem(browser, code, generate_token(48)).json == {"error": "invalid_grant", "error_description": "Code challenge failed."}
    assert redeem(browser, code, verifier, secret="guessed").status_code == 401
    assert redeem(browser, code, verifier).status_code == 200
    assert redeem(browser, code, verifier).status_code == 400


def test_a_nonce_cannot_be_used_twice_while_its_code_stands(browser: FlaskClient) -> None:
    pick(browser, generate_token(48), nonce="again")
    assert answer_of(browser.get(request_for(generate_token(48), nonce="again"), base_url=ISSUER))["error"] == "invalid_request"


def test_prompt_none_asks_nobody(browser: FlaskClient) -> None:
    verifier = generate_token(48)
    assert answer_of(browser.get(request_for(verifier, prompt="none"), base_url=ISSUER))["error"] == "login_required"
    sign_in(browser)
    assert "code" in answer_of(browser.get(request_for(verifier, prompt="none"), base_url=ISSUER))


def test_a_restart_keeps_the_key_the_codes_and_who_is_signed_in(config: Config, tmp_path: Path) -> None:
    verifier = generate_token(48)
    before = create_provider(config, tmp_path).test_client()
    code = pick(before, verifier)["code"]
    after = create_provider(config, tmp_path).test_client()
    assert after.get("/jwks.json").json == before.get("/jwks.json").json
    assert redeem(after, code, verifier).status_code == 200


def sign_out(browser: FlaskClient, **parameters: str) -> TestResponse:
    return browser.get("/sign-out?" + urlencode(parameters), base_url=ISSUER)


def test_signing_out_with_the_id_token_goes_back_and_ends_the_session(browser: FlaskClient) -> None:
    tokens = sign_in(browser)
    back = f"{PORTAL}/auth/signed-out"
    response = sign_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=back, state="s", client_id="demur")
    assert response.location == f"{back}?state=s"
    assert answer_of(browser.get(request_for(generate_token(48), prompt="none"), base_url=ISSUER))["error"] == "login_required"


def test_signing_out_never_goes_to_an_address_that_is_not_registered(browser: FlaskClient) -> None:
    tokens = sign_in(browser)
    response = sign_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri="https://elsewhere.example/")
    assert (response.status_code, "signed out of Lantern" in response.text) == (200, True)


def test_signing_out_without_an_id_token_asks_first(browser: FlaskClient) -> None:
    sign_in(browser)
    assert "nothing has happened yet" in sign_out(browser).text
    assert "code" in answer_of(browser.get(request_for(generate_token(48), prompt="none"), base_url=ISSUER))
    assert "signed out of Lantern" in browser.post("/sign-out", base_url=ISSUER).text


def test_a_forged_id_token_does_not_sign_out(browser: FlaskClient) -> None:
    tokens = sign_in(browser)
    head, body, _ = tokens["id_token"].split(".")
    assert sign_out(browser, id_token_hint=f"{head}.{body}.AAAA").status_code == 400


def test_pages_cannot_be_framed_and_load_nothing_from_elsewhere(browser: FlaskClient) -> None:
    policy = browser.get(request_for(generate_token(48)), base_url=ISSUER).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
