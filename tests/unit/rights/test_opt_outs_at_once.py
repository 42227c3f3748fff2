"""Two workers, or two people, at the same moment: on PostgreSQL their transactions overlap, on SQLite they take turns."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from demur.similarity.rules import MatchKind
from models import Account, Identity, OptOut, OptOutMatch, OptOutOrigin, RightsRequest
from rights.accounts import link_identity, unlink_identity
from rights.list_changes import pending
from rights.optouts import Everything, Filing, NothingToOptOut, Photos, Selection, file_opt_outs
from rights.propagation import apply_propagation
from rights.proposals import OPERATOR, decline_proposals
from rights.reach_limits import Limits, Most
from tests.factories import ISSUER, NOW, IdentityFactory, make_account
from tests.support.lookups import picture_of
from tests.support.pictures import photo_bytes
from tests.unit.rights.office import Office

A_WHILE_S = 0.5  # in which the other one would be through, if nothing held it back


def nothing_more(_: Session) -> None:
    pass


def overlapping(
    office: Office,
    first: Callable[[Session], object],
    second: Callable[[Session], object],
    then: Callable[[Session], object] = nothing_more,
) -> Future[object]:
    """Runs ``first``; when ``second``, in a thread of its own, is through or waits for it, runs ``then`` and commits both."""
    through = threading.Event()

    def other() -> object:
        try:
            with office.sessions.begin() as session:
                return second(session)
        finally:
            through.set()

    with ThreadPoolExecutor(1) as thread:
        with office.sessions.begin() as session:
            first(session)
            future = thread.submit(other)
            through.wait(A_WHILE_S)
            then(session)
        return future


def held(office: Office) -> list[bool]:
    with office.sessions() as session:
        return list(session.scalars(select(OptOut.held).order_by(OptOut.id)))


def propagated_at_once(office: Office, ids: Sequence[int], limits: Limits) -> None:
    """Two opt-outs, by a worker each."""
    one, other = (office.gather([opt_out_id]) for opt_out_id in ids)
    overlapping(
        office,
        lambda session: apply_propagation(session, one, limits=limits, now=NOW),
        lambda session: apply_propagation(session, other, limits=limits, now=NOW),
    ).result()


def test_two_workers_at_once_keep_to_what_a_member_may_take_in_a_day(office: Office):
    ada, limits = office.account("ada"), Limits(day=Most(1, 10))
    ids = []
    for number in (1, 2):
        office.file(ada, Photos((), (picture_of(photo_bytes("ben", number)),)))
        with office.sessions() as session:
            ids.append(session.scalar(select(func.max(OptOut.id))))
    propagated_at_once(office, ids, limits)
    assert held(office) == [False, True]


def test_two_workers_at_once_keep_to_what_a_request_may_take(office: Office):
    ada, limits = office.account("ada"), Limits(request=Most(1, 10))
    office.file(ada, Photos((), tuple(picture_of(photo_bytes("ben", number)) for number in (1, 2))))
    with office.sessions() as session:
        ids = session.scalars(select(OptOut.id).order_by(OptOut.id)).all()
    propagated_at_once(office, ids, limits)
    assert held(office) == [False, True]


def test_a_members_filing_does_not_wait_for_their_propagation(office: Office):
    ada = office.account("ada")
    office.file(ada, Photos((), (picture_of(photo_bytes("ben", 1)),)))
    with office.sessions() as session:
        ids = session.scalars(select(OptOut.id)).all()
    found = office.gather(ids)
    if office.sessions.kw["bind"].dialect.name == "sqlite":
        return  # has one writer at a time, whatever it writes
    with office.sessions.begin() as session:
        apply_propagation(session, found, limits=Limits(), now=NOW)
        with office.sessions.begin() as another:
            file_opt_outs(another, office.catalogues, another.get_one(Account, ada.id), Photos(("ada-0",)), now=NOW)


def test_whoever_decides_about_several_locks_their_opt_outs_in_the_order_of_everybody_else(office: Office):
    """The first proposal is of the second opt-out, and somebody who locks both has the first one already."""
    office.file(office.account("ada"), Photos(("ada-0", "ada-1")))
    found = {"manifest_id": office.manifest_id, "owner": "ben", "kind": MatchKind.PROPOSED}
    with office.sessions.begin() as session:
        one, other = session.scalars(select(OptOut.id).order_by(OptOut.id))
        proposals = [OptOutMatch(opt_out_id=opt_out_id, position=1, uid="ben-1", **found) for opt_out_id in (other, one)]
        session.add_all(proposals)
        session.flush()
        ids = [proposal.id for proposal in proposals]

    def lock(opt_out_id: int) -> Callable[[Session], object]:
        return lambda session: session.execute(select(OptOut).where(OptOut.id == opt_out_id).with_for_update())

    decided = overlapping(office, lock(one), lambda session: decline_proposals(session, OPERATOR, ids, NOW), lock(other))
    assert decided.result() == ["ben-1", "ben-1"]


@pytest.mark.parametrize("links", [True, False], ids=["linking", "unlinking"])
def test_linking_and_unlinking_wait_for_a_version_that_takes_effect(office: Office, links: bool):
    """A publication locks the entries, and then the opt-outs in an order of its own."""
    account = office.account("ada", "cleo")
    first, second = account.identities
    changed: list[Identity | bool] = []

    def change(session: Session) -> None:
        ada = session.get_one(Account, account.id)
        if links:
            changed.append(link_identity(session, ada, iss=ISSUER, sub="ben", owner="ben", now=NOW))
        else:
            changed.append(unlink_identity(session, ada, second.id, in_use=(first.iss, first.sub), now=NOW))

    def is_waiting(_: Session) -> None:
        assert changed == []

    overlapping(office, pending, change, is_waiting).result()
    assert len(changed) == 1


def two_accounts_of_ada(office: Office) -> list[Account]:
    """As where a platform has two issuers, or a person two sign-ins: both file for one owner."""
    with office.sessions.begin() as session:
        accounts = [make_account(session, identities=[IdentityFactory(iss=f"https://{name}.example", owner="ada")]) for name in ("a", "b")]
        for account in accounts:
            session.refresh(account, ["identities"])
        return accounts


def filed_at_once(office: Office, one: Selection, other: Selection) -> Future[object]:
    first, second = two_accounts_of_ada(office)

    def filing(account: Account, selection: Selection) -> Callable[[Session], Filing]:
        return lambda session: file_opt_outs(session, office.catalogues, session.get_one(Account, account.id), selection, now=NOW)

    return overlapping(office, filing(first, one), filing(second, other))


def active(office: Office) -> list[str]:
    with office.sessions() as session:
        rows = select(OptOut.subject).where(OptOut.origin == OptOutOrigin.MEMBER, OptOut.withdrawn_at.is_(None))
        return sorted(session.scalars(rows))


def test_of_two_filings_of_a_photo_at_once_one_files_and_the_other_finds_it_opted_out(office: Office):
    second = filed_at_once(office, Photos(("ada-0",)), Photos(("ada-0",)))
    assert isinstance(second.exception(), NothingToOptOut)
    assert "opted out already" in str(second.exception())
    assert active(office) == ["ada-0"]
    with office.sessions() as session:
        assert session.scalar(select(func.count()).select_from(RightsRequest)) == 1


def test_of_two_filings_that_overlap_the_other_files_the_rest(office: Office):
    second = filed_at_once(office, Photos(("ada-0", "ada-1")), Photos(("ada-2", "ada-1", "ada-0"))).result()
    assert isinstance(second, Filing)
    assert (second.filed, second.already) == (1, 2)
    assert active(office) == ["ada-0", "ada-1", "ada-2"]


def test_of_two_filings_of_everything_at_once_one_files(office: Office):
    second = filed_at_once(office, Everything(), Everything())
    assert isinstance(second.exception(), NothingToOptOut)


def test_of_two_filings_of_a_looked_up_picture_at_once_one_files(office: Office):
    picture = Photos((), (picture_of(photo_bytes("ben", 1)),))
    assert isinstance(filed_at_once(office, picture, picture).exception(), NothingToOptOut)
