from itertools import product

import pytest

from models import RequestState, RightsRequest
from rights.states import IllegalTransition, move
from tests.factories import NOW, RightsRequestFactory

LEGAL = {
    ("open", "in_progress"),
    ("open", "denied"),
    ("open", "revoked"),
    ("open", "expired"),
    ("in_progress", "fulfilled"),
    ("in_progress", "denied"),
    ("in_progress", "revoked"),
    ("in_progress", "expired"),
    ("fulfilled", "revoked"),
    ("fulfilled", "denied"),
}
"""Every move that the life of a request has: an objection may be taken back or ended after it took effect."""
CLOSED = {"fulfilled", "denied", "revoked", "expired"}
EVERY_PAIR = list(product(RequestState, repeat=2))


def request_in(state: RequestState) -> RightsRequest:
    request: RightsRequest = RightsRequestFactory.build(state=state, closed_at=None, events=[])
    return request


@pytest.mark.parametrize(("start", "wanted"), [pair for pair in EVERY_PAIR if pair in LEGAL])
def test_a_legal_move_is_made_and_leaves_a_line(start: RequestState, wanted: RequestState):
    request = request_in(start)
    move(request, wanted, "why", NOW)
    assert request.state is wanted
    assert [(event.state, event.at, event.note) for event in request.events] == [(wanted, NOW, "why")]
    assert request.closed_at == (NOW if wanted in CLOSED else None)


@pytest.mark.parametrize(("start", "wanted"), [pair for pair in EVERY_PAIR if pair not in LEGAL])
def test_an_illegal_move_is_refused_and_leaves_nothing(start: RequestState, wanted: RequestState):
    request = request_in(start)
    with pytest.raises(IllegalTransition):
        move(request, wanted, "", NOW)
    assert (request.state, request.events, request.closed_at) == (start, [], None)


def test_the_states_are_those_of_the_data_rights_protocol():
    assert set(RequestState) == {"open", "in_progress", "fulfilled", "denied", "revoked", "expired"}
