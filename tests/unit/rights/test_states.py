from hypothesis import given
from hypothesis import strategies as st

from models import RequestState, RightsRequest
from rights.states import CLOSED, TRANSITIONS, IllegalTransition, move
from tests.factories import NOW, RightsRequestFactory

states = st.sampled_from(RequestState)


@given(states, st.lists(states, max_size=8))
def test_only_moves_of_the_table_are_made_and_each_leaves_a_line(start: RequestState, wanted: list[RequestState]):
    request: RightsRequest = RightsRequestFactory.build(state=start, events=[])
    taken = []
    for state in wanted:
        before = request.state
        try:
            move(request, state, "", NOW)
        except IllegalTransition:
            assert state not in TRANSITIONS[before]
            assert request.state is before
        else:
            assert state in TRANSITIONS[before]
            taken.append(state)
            assert (request.closed_at is not None) is (state in CLOSED)
    assert [event.state for event in request.events] == taken


def test_every_state_has_a_row_and_closed_requests_are_not_reopened():
    assert set(TRANSITIONS) == set(RequestState)
    for state in CLOSED:
        assert not TRANSITIONS[state] & {RequestState.OPEN, RequestState.IN_PROGRESS}
