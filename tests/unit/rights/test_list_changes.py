"""A publication asks for what changes, under a lock that everybody who opts out waits for: by indexes, however much was opted out ever."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event

from rights.optouts import Everything, Photos
from rights.withdrawals import put_back, withdraw_photo
from tests.factories import NOW
from tests.unit.rights.office import Office

LARGE = re.compile(r"^SCAN (opt_out|exclusion_entry|exemption|rights_request|log_entry|outbox|past_entry)\w*$")
NAMED = ("ix_opt_out_coming", "ix_opt_out_leaving", "ix_exemption_coming", "ix_exclusion_entry_ending", "ix_exclusion_entry_versions")
LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_publication_reads_through_no_table_that_grows_with_all_that_ever_happened(office: Office, engine: Engine):
    ada, ben = office.account("ada"), office.account("ben")
    office.file(ada, Everything())
    office.file(ben, Photos(("ben-1",)))
    office.carry()
    with office.sessions.begin() as session:
        put_back(session, ada, ["ada-1"], LATER)
        withdraw_photo(session, ben, "ben-1", LATER)
    office.file(ben, Photos(("ben-2",)), LATER)
    office.propagate(LATER)
    asked: list[tuple[str, tuple[object, ...]]] = []
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    assert office.publish(LATER).version == 2
    plans = [plan for statement, parameters in list(asked) for plan in explained(engine, statement, parameters)]
    assert [plan for plan in plans if LARGE.match(plan)] == []
    for name in NAMED:
        assert any(name in plan for plan in plans), name


def explained(engine: Engine, statement: str, parameters: tuple[object, ...]) -> list[str]:
    if not statement.startswith(("SELECT", "UPDATE", "INSERT")) or not isinstance(parameters, tuple):
        return []
    with engine.connect() as connection:
        return [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
