"""H1, the way back: the operator ends opt-outs by a statement in the log, and a closed account ends its own of looked-up pictures."""

import json

import pytest
from sqlalchemy import select

from demur.receipts import LogKind
from jobs.workplace import now
from models import Account, LogEntry, OptOut, RequestState, RightsRequest
from rights.optouts import Photos, file_opt_outs
from rights.platform_events import Event, EventKind, receive_event
from tests.support.lookups import picture_of
from tests.support.pictures import photo_bytes
from tests.support.portals import ADA, TestedPortal


@pytest.fixture
def filed(portal: TestedPortal) -> TestedPortal:
    """ada opted out a picture of ben's, by sending it, and one photo of her own."""
    portal.member(ADA)
    workplace = portal.workplace
    with workplace.writing.begin() as session:
        ada = session.scalars(select(Account)).one()
        for selection in (Photos((), (picture_of(photo_bytes("ben", 1)),)), Photos(("ada-1",))):
            file_opt_outs(session, workplace.catalogues, ada, selection, now=now())
    portal.settle()
    return portal


def reference_of(portal: TestedPortal, number: int) -> str:
    with portal.workplace.reading() as session:
        return session.scalars(select(RightsRequest.reference).order_by(RightsRequest.id)).all()[number]


def active(portal: TestedPortal) -> list[str]:
    with portal.workplace.reading() as session:
        return list(session.scalars(select(OptOut.scope).where(OptOut.withdrawn_at.is_(None)).order_by(OptOut.id)))


def test_the_operator_finds_what_an_opt_out_takes_from_others(filed: TestedPortal):
    listed = json.loads(filed.run("opt-outs", "list", "--json").stdout)
    assert [(row["scope"], row["photos"], row["owners"]) for row in listed] == [("picture", 1, 1), ("photo", 0, 0)]


def test_a_dry_run_names_what_would_end_and_ends_nothing(filed: TestedPortal):
    reference = reference_of(filed, 0)
    result = filed.run("opt-outs", "deny", reference, "--reason", "suspected_fraud", "--dry-run")
    assert reference in result.stdout
    assert active(filed) == ["picture", "photo"]


def test_a_denied_opt_out_ends_with_a_statement_and_its_request_says_so(filed: TestedPortal):
    result = filed.run("opt-outs", "deny", reference_of(filed, 0), "--reason", "suspected_fraud")
    assert result.exit_code == 0, result.output
    filed.settle()
    assert active(filed) == ["photo"]
    with filed.workplace.reading() as session:
        request = session.scalars(select(RightsRequest).order_by(RightsRequest.id)).first()
        assert (request.state, request.denied_because) == (RequestState.DENIED, "suspected_fraud")
        assert LogKind.OPT_OUT_DENIED in set(session.scalars(select(LogEntry.kind).where(LogEntry.request_id == request.id)))
        public_id = request.public_id
    page = filed.member(ADA).get(f"/requests/{public_id}").text
    assert "Ended by the operator: it looks like fraud" in page


def test_all_of_a_members_opt_outs_end_at_once(filed: TestedPortal):
    with filed.workplace.reading() as session:
        member = session.scalars(select(Account.public_id).order_by(Account.id)).first()
    filed.run("opt-outs", "deny", "--member", member, "--reason", "suspected_fraud")
    assert active(filed) == []
    again = filed.run("opt-outs", "deny", "--member", member, "--reason", "suspected_fraud")
    assert again.exit_code == 1
    assert "no opt-out of this choice is active" in again.output


def test_a_reference_is_taken_in_any_case_and_an_unknown_one_is_named(filed: TestedPortal):
    reference = reference_of(filed, 0)
    assert reference in filed.run("opt-outs", "show", reference.lower()).stdout
    for asked in (("show", "DM-XXXX"), ("list", "--member", "nobody"), ("deny", "DM-XXXX", "--reason", "other", "--dry-run")):
        result = filed.run("opt-outs", *asked)
        assert result.exit_code == 1
        assert ("nobody" if "nobody" in asked else "DM-XXXX") in result.output
    assert filed.run("opt-outs", "deny", reference.lower(), "--reason", "other").exit_code == 0
    assert active(filed) == ["photo"]


def test_what_is_over_is_shown_with_how_it_ended(filed: TestedPortal):
    denied, withdrawn = reference_of(filed, 0), reference_of(filed, 1)
    filed.run("opt-outs", "deny", denied, "--reason", "suspected_fraud")
    ada = filed.member(ADA)
    ada.get("/photos")
    ada.post("/photos/ada-1/put-back")
    [shown] = json.loads(filed.run("opt-outs", "show", denied, "--json").stdout)
    assert (shown["ended_by"], shown["ended_because"]) == ("operator", "suspected_fraud")
    assert json.loads(filed.run("opt-outs", "list", "--json").stdout) == []
    every = json.loads(filed.run("opt-outs", "list", "--ended", "--json").stdout)
    assert [(row["reference"], row["ended_by"]) for row in every] == [(denied, "operator"), (withdrawn, "member")]
    again = filed.run("opt-outs", "deny", denied, "--reason", "other", "--dry-run")
    assert (again.exit_code, f"{denied}: no opt-out of this choice is active" in again.output) == (1, True)


def test_what_the_platform_ended_is_not_said_of_the_operator(filed: TestedPortal):
    """As when somebody whose account was closed comes back."""
    with filed.workplace.writing.begin() as session:
        ada = session.scalars(select(Account)).one()
        mixed = file_opt_outs(session, filed.workplace.catalogues, ada, Photos(("ada-2",), (picture_of(photo_bytes("ben", 2)),)), now=now())
        receive_event(session, Event("closed", EventKind.ACCOUNT_CLOSED, ADA, "", now()), now())
        whole = session.scalars(select(RightsRequest).order_by(RightsRequest.id)).first()
        assert whole.events[-1].note == "Denied by the platform"
    filed.settle()
    ada = filed.member(ADA)
    every = ada.get("/requests").text
    assert "1 of 2 ended by the platform" in every
    assert "Ended by the platform" in every
    assert "1 of 2 ended by the platform: we could not verify" in ada.get(f"/requests/{mixed.request.public_id}").text
    page = ada.get(f"/requests/{whole.public_id}").text
    assert "Ended by the platform: we could not verify that the pictures are yours." in page
    assert "by the operator" not in every + page


def test_closing_an_account_ends_its_opt_outs_of_looked_up_pictures(filed: TestedPortal):
    with filed.workplace.writing.begin() as session:
        receive_event(session, Event("closed", EventKind.ACCOUNT_CLOSED, ADA, "", now()), now())
    assert active(filed) == ["photo", "owner"]
