"""Whose photos are a member's own: those of every sign-in that is linked to their account now."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import and_, exists, select
from sqlalchemy.orm import Session, aliased

from models import Identity, OptOut, RightsRequest
from rights.batches import batched


class Filed(Protocol):
    """What is asked of an opt-out: a row, or a part of one."""

    @property
    def id(self) -> int: ...
    @property
    def owner(self) -> str: ...
    @property
    def request_id(self) -> int | None: ...


def own_owners(session: Session, opt_outs: Sequence[Filed]) -> dict[int, frozenset[str]]:
    """Of each opt-out by id, the owners whose photos are no others' to it: its own, and those of the member's linked sign-ins.

    An opt-out that stays after its sign-in was unlinked is about that one's photos alone. One of the platform's is the member's whose
    sign-in it is about.
    """
    accounts = _accounts(session, {one.request_id for one in opt_outs if one.request_id is not None})
    linked = _linked(session, {one.owner for one in opt_outs})
    own = {}
    for one in opt_outs:
        of_account = linked.get(one.owner, {})
        theirs = list(of_account.values()) if one.request_id is None else [of_account.get(accounts[one.request_id], set())]
        own[one.id] = frozenset({one.owner}).union(*theirs)
    return own


def _accounts(session: Session, request_ids: Iterable[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for some in batched(sorted(request_ids)):
        rows = select(RightsRequest.id, RightsRequest.account_id).where(RightsRequest.id.in_(some))
        found.update((request_id, account_id) for request_id, account_id in session.execute(rows))
    return found


def _linked(session: Session, owners: Iterable[str]) -> dict[str, dict[int, set[str]]]:
    """Of each owner: by account that has a sign-in of theirs, all owners of that account."""
    mine, theirs = aliased(Identity), aliased(Identity)
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for some in batched(sorted(owners)):
        rows = select(mine.owner, mine.account_id, theirs.owner).join(theirs, theirs.account_id == mine.account_id)
        for owner, account_id, other in session.execute(rows.where(mine.owner.in_(some))):
            found[owner][account_id].add(other)
    return found


def of_others(match: Any) -> Any:
    """Condition on a match, in a statement about opt-outs and their requests: its row is not the member's own (``own_owners``)."""
    mine, theirs = aliased(Identity), aliased(Identity)
    linked = exists().where(
        mine.account_id == RightsRequest.account_id,
        mine.owner == OptOut.owner,
        theirs.account_id == mine.account_id,
        theirs.owner == match.owner,
    )
    return and_(match.owner != OptOut.owner, ~linked)
