"""The same thing done by two at once: one effect."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select

from models import Account, ExclusionEntry, OptOut, OptOutMatch, RightsRequest
from rights.optouts import NothingToOptOut, Photos
from rights.propagation import apply_propagation
from tests.factories import NOW, IdentityFactory, make_account
from tests.unit.rights.office import Office


def counts(office: Office) -> list[int]:
    with office.sessions() as session:
        tables = (RightsRequest, OptOut, OptOutMatch, ExclusionEntry)
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def test_two_clicks_file_once(office: Office):
    assert_filed_once(office, [office.account("ada")] * 4)


def test_two_accounts_of_one_owner_file_once(office: Office):
    with office.sessions.begin() as session:
        accounts = [make_account(session, owner="ada", identities=[IdentityFactory(sub=f"{n}", owner="ada")]) for n in range(4)]
    assert_filed_once(office, accounts)


def assert_filed_once(office: Office, accounts: Sequence[Account]) -> None:
    """However many ask at the same time."""

    def click(account: Account) -> bool:
        try:
            office.file(account, Photos(("ada-0", "ada-1")))
        except NothingToOptOut:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(click, accounts)) == [False, False, False, True]
    assert counts(office)[:2] == [1, 2]


def test_two_workers_write_once(office: Office):
    office.file(office.account("ada"), Photos(("ada-0", "ada-1")))
    with office.sessions() as session:
        ids = list(session.scalars(select(OptOut.id)))
    findings = office.gather(ids)

    def apply(_: int) -> None:
        with office.sessions.begin() as session:
            apply_propagation(session, findings, limits=office.limits, now=NOW)

    apply(0)
    once = counts(office)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(apply, range(8)))
    assert counts(office) == once


def test_two_workers_that_begin_together_write_once(office: Office):
    office.file(office.account("ada"), Photos(("ada-0", "ada-1")))

    def carry(_: int) -> None:
        office.propagate()
        office.publish()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(carry, range(4)))
    with office.sessions() as session:
        rows = session.execute(select(ExclusionEntry.opt_out_id, ExclusionEntry.kind, ExclusionEntry.key)).all()
        assert len(rows) == len(set(rows))
        assert {opt_out.effective_version for opt_out in session.scalars(select(OptOut))} == {1}
