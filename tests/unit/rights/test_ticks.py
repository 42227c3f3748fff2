"""What a member has ticked: kept by account, within a bound, for a day."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from models import TickedPhotos
from rights.ticks import LIFETIME, MOST, TooManyTicked, mark, tick, ticked
from tests.factories import NOW
from tests.unit.rights.office import Office


def test_ticks_are_replaced_and_forgotten(office: Office):
    ada, ben = office.account("ada"), office.account("ben")
    with office.sessions.begin() as session:
        tick(session, ada, {"ada-2", "ada-1"}, NOW)
        tick(session, ada, {"ada-1"}, NOW)
    with office.sessions() as session:
        assert ticked(session, ada, NOW) == {"ada-1"}
        assert ticked(session, ben, NOW) == frozenset()
    with office.sessions.begin() as session:
        tick(session, ada, (), NOW)
    with office.sessions() as session:
        assert session.scalars(select(TickedPhotos)).all() == []


def test_ticks_end_after_a_day(office: Office):
    ada = office.account("ada")
    with office.sessions.begin() as session:
        tick(session, ada, {"ada-1"}, NOW)
    with office.sessions() as session:
        assert ticked(session, ada, NOW + LIFETIME - timedelta(seconds=1)) == {"ada-1"}
        assert ticked(session, ada, NOW + LIFETIME) == frozenset()


def test_more_photos_than_the_bound_are_refused_by_name(office: Office):
    ada = office.account("ada")
    with office.sessions.begin() as session, pytest.raises(TooManyTicked):
        tick(session, ada, [str(number) for number in range(MOST + 1)], NOW)


def test_a_mark_is_of_the_photos_and_not_of_their_order():
    assert mark({"a", "b"}) == mark({"b", "a"})
    assert mark({"a", "b"}) != mark({"ab"})
