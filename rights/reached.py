"""Whose photos members' opt-outs take, with those that they filed before in the same request and day.

What a member's opt-outs take together is counted by one transaction at a time (``lock_members``): two workers would each see what was
written before both, and together let pass what neither alone may.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from demur.similarity.rules import MatchKind
from models import Account, OptOut, OptOutMatch, OptOutScope, RightsRequest
from rights.batches import batched
from rights.own import own_owners
from rights.reach_limits import PhotoOf, Reached

A_DAY = timedelta(days=1)


def lock_members(session: Session, opt_out_ids: Sequence[int]) -> None:
    """Locks the accounts that filed these opt-outs, in one order everywhere, and before the opt-outs themselves."""
    members: set[int] = set()
    for some in batched(opt_out_ids):
        filed = select(RightsRequest.account_id).join(OptOut, OptOut.request_id == RightsRequest.id).where(OptOut.id.in_(some))
        members.update(session.scalars(filed.distinct()))
    for some in batched(sorted(members)):
        locked = select(Account.id).where(Account.id.in_(some)).order_by(Account.id)
        session.execute(locked.with_for_update(key_share=True))  # rows that refer to them may come


def reached_by_members(
    session: Session, opt_outs: Sequence[OptOut], taken: Mapping[int, frozenset[PhotoOf]], now: datetime
) -> dict[int, Reached]:
    """By id, what each of these opt-outs takes, by ``taken``, and all others of their requests, and of their members since a day ago.

    An opt-out that was withdrawn counts: else filing and withdrawing in turn would reach everybody.
    """
    requests = {opt_out.request_id for opt_out in opt_outs if opt_out.request_id is not None}
    if not requests:
        return {}
    members = select(RightsRequest.account_id).where(RightsRequest.id.in_(requests))
    since = now - A_DAY
    columns = select(OptOut.id, OptOut.scope, OptOut.owner, OptOut.request_id, RightsRequest.account_id, OptOut.filed_at)
    asked = columns.join(RightsRequest, OptOut.request_id == RightsRequest.id).where(RightsRequest.account_id.in_(members))
    rows = session.execute(asked.where(or_(OptOut.filed_at > since, OptOut.request_id.in_(requests)))).all()
    before = _before(session, own_owners(session, rows))
    return {
        row.id: Reached(
            row.scope is OptOutScope.PICTURE,
            row.request_id,
            row.account_id,
            row.filed_at > since,
            frozenset(taken.get(row.id, frozenset())) | before[row.id],
        )
        for row in rows
    }


def _before(session: Session, own: Mapping[int, frozenset[str]]) -> Mapping[int, frozenset[PhotoOf]]:
    match, photos = OptOutMatch, defaultdict[int, set[PhotoOf]](set)
    for some in batched(list(own)):
        others = select(match.opt_out_id, match.owner, match.uid).join(OptOut, match.opt_out_id == OptOut.id)
        gone = others.where(match.opt_out_id.in_(some), match.owner != OptOut.owner, match.kind != MatchKind.PROPOSED)
        for opt_out_id, owner, uid in session.execute(gone):
            if owner not in own[opt_out_id]:
                photos[opt_out_id].add((owner, uid))
    return {opt_out_id: frozenset(photos[opt_out_id]) for opt_out_id in own}
