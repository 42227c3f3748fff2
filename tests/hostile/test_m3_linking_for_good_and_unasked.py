"""Security finding M3: who sat down at a signed-in browser linked a sign-in of their own, and kept the account for good."""

from sqlalchemy import select

from models import Account, AuditEvent
from tests.support.portals import ADA, BEN, TestedPortal

ATTACKER = "hana.kim"


def test_a_browser_left_open_is_not_enough_to_link_a_sign_in(portal: TestedPortal):
    victims = portal.member(ADA)
    victims.get("/account/link")
    assert victims.post("/account/link").location == "/account/link"
    victims.sign_in(ATTACKER, "/account/confirm")  # the attacker proves to be the attacker
    victims.get("/account/link")
    assert victims.post("/account/link").location == "/account/link"
    with portal.workplace.reading() as session:
        assert [account.owners for account in session.scalars(select(Account))] == [(ADA,)]


def test_a_callback_of_before_the_confirmation_links_nothing(portal: TestedPortal):
    """The confirmation belongs to a session: it is gone with it."""
    victims = portal.member(ADA)
    victims.get("/account/link")
    victims.sign_in(ADA, "/account/confirm")
    victims.get("/account/link")
    answer = victims.picked(ATTACKER, "/account/link")
    victims.sign_in(ADA)  # a new session of the same person
    assert victims.get(answer).status_code == 400
    with portal.workplace.reading() as session:
        assert [account.owners for account in session.scalars(select(Account))] == [(ADA,)]


def test_what_was_linked_can_be_undone_and_is_in_the_audit_trail(portal: TestedPortal):
    visitor = portal.member(ADA)
    visitor.link(ADA, ATTACKER)
    with portal.workplace.reading() as session:
        linked = session.scalars(select(Account)).one().identities[1].id
    visitor.get("/account/link")
    visitor.post(f"/account/identities/{linked}/unlink")
    with portal.workplace.reading() as session:
        assert [account.owners for account in session.scalars(select(Account))] == [(ADA,)]
        actions = session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert actions == ["account.created", "identity.linked", "identity.unlinked"]


def test_another_accounts_sign_in_cannot_be_unlinked(portal: TestedPortal):
    portal.member(BEN)
    with portal.workplace.reading() as session:
        bens = session.scalars(select(Account)).one().identities[0].id
    visitor = portal.member(ADA)
    visitor.link(ADA, ATTACKER)
    visitor.get("/account/link")
    visitor.post(f"/account/identities/{bens}/unlink")
    assert "not linked to your account" in visitor.get("/account").text
    assert portal.member(BEN).get("/account").status_code == 200
