"""The life of a rights request: the states of the Data Rights Protocol 1.0, and every move between them."""

from datetime import datetime

from demur.errors import DemurError
from models import RequestState, RightsRequest, RightsRequestEvent

TRANSITIONS: dict[RequestState, frozenset[RequestState]] = {
    RequestState.OPEN: frozenset({RequestState.IN_PROGRESS, RequestState.DENIED, RequestState.REVOKED, RequestState.EXPIRED}),
    RequestState.IN_PROGRESS: frozenset({RequestState.FULFILLED, RequestState.DENIED, RequestState.REVOKED, RequestState.EXPIRED}),
    # An objection can be taken back, and ended by the operator, after it took effect.
    RequestState.FULFILLED: frozenset({RequestState.REVOKED, RequestState.DENIED}),
    RequestState.DENIED: frozenset(),
    RequestState.REVOKED: frozenset(),
    RequestState.EXPIRED: frozenset(),
}
CLOSED = frozenset(RequestState) - {RequestState.OPEN, RequestState.IN_PROGRESS}


class IllegalTransition(DemurError):
    """The request cannot pass from its state to the one asked for."""


def check(current: RequestState, wanted: RequestState) -> None:
    """Raises IllegalTransition unless the table has the move."""
    if wanted not in TRANSITIONS[current]:
        raise IllegalTransition(f"a request that is {current} cannot become {wanted}")


def move(request: RightsRequest, wanted: RequestState, note: str, now: datetime) -> None:
    """Moves a request, whose row the caller has locked, and writes the line of its timeline. Raises IllegalTransition."""
    check(request.state, wanted)
    request.state = wanted
    request.closed_at = now if wanted in CLOSED else None
    request.events.append(RightsRequestEvent(at=now, state=wanted, note=note))
