"""Security finding M1: whoever had the secret of the form tokens could write the cookie "remember me", and was signed in by it."""

import re

from flask_login.utils import encode_cookie
from sqlalchemy import select

from models import Account, WebSession
from portal.secret import FILE, Secrets
from tests.support.portals import ADA, TestedPortal


def public_id(portal: TestedPortal) -> str:
    with portal.workplace.reading() as session:
        return session.scalars(select(Account.public_id)).one()


def test_a_well_formed_remember_cookie_signs_nobody_in(portal: TestedPortal):
    portal.member(ADA)
    keys = [(portal.config.keys_dir / FILE).read_text(), *(key.hex() for key in vars(Secrets.open(portal.config)).values())]
    for key in keys:
        with portal.app.test_request_context():
            forged = encode_cookie(public_id(portal), key=key)
        attacker = portal.visitor()
        attacker.client.set_cookie("remember_token", forged)
        assert attacker.get("/photos").status_code == 302
        assert attacker.get("/account").status_code == 302


def test_the_frameworks_own_signatures_have_no_key(portal: TestedPortal):
    assert portal.app.secret_key is None


def test_signing_in_and_out_gives_no_remember_cookie(portal: TestedPortal):
    visitor = portal.member(ADA)
    assert visitor.client.get_cookie("remember_token") is None
    visitor.get("/photos")
    assert all("remember" not in cookie for cookie in visitor.post("/auth/sign-out").headers.getlist("Set-Cookie"))


def test_each_purpose_has_a_key_of_its_own(portal: TestedPortal):
    secrets = Secrets.open(portal.config)
    assert len({secrets.forms, secrets.pictures, secrets.addresses}) == 3
    assert (portal.config.keys_dir / FILE).read_bytes() not in (secrets.forms, secrets.pictures, secrets.addresses)


def test_a_backup_of_keys_and_database_signs_nobody_in(portal: TestedPortal):
    """With both, form tokens of a session can be made, but not the cookie that the session is found by, nor the ID token read."""
    amara = portal.member(ADA)
    with portal.workplace.reading() as session:
        row = session.scalars(select(WebSession).where(WebSession.account_id.is_not(None))).one()
    assert row.sealed
    assert b"eyJ" not in row.sealed
    thief = portal.visitor()
    thief.client.set_cookie("demur", row.digest)
    assert thief.get("/photos").status_code == 302
    token = re.search('name="csrf_token" value="([^"]+)"', amara.get("/photos").text)
    assert token is not None
    assert thief.client.post("/opt-outs", data={"csrf_token": token[1], "everything": "1"}).status_code == 401
