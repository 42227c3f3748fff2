"""Rows that may show an opted-out photo: their owner decides about their own, the operator about the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from demur.errors import DemurError
from demur.exclusions import Entry
from demur.receipts import LogKind
from models import Account, ExclusionEntry, Manifest, OptOut, OptOutMatch
from rights import audit, outbox
from rights.batches import batched
from rights.catalogues import Catalogues
from rights.locks import lock_entries_shared
from rights.own import own_owners
from rights.propagation import name_decided, revive
from rights.propagation_plan import row_entries
from rights.standing import undecided
from rights.statements import state_of_requests, state_outcome
from rights.taken_notices import promise_notices


class ProposalNotFound(DemurError):
    """There is no such proposal for this decider, or it was decided, or its opt-out was withdrawn."""


@dataclass(frozen=True)
class Decider:
    """Who decides. ``owners``: a person's own photos, as copies of their own; None: the operator, about everyone's."""

    actor: str
    owners: tuple[str, ...] | None

    @classmethod
    def member(cls, account: Account) -> "Decider":
        return cls(account.public_id, account.owners)


OPERATOR = Decider(audit.OPERATOR, None)


@dataclass(frozen=True)
class Proposal:
    """``uid``, a photo of ``owner``, looks like ``opted_out``: the uid of another photo, or the SHA-256 of a picture that was sent.

    ``contested``: the photo's owner said that it is theirs. ``held``: its opt-out
    takes nothing of others before a person decides. Distances in bits.
    """

    match_id: int
    uid: str
    owner: str
    held: bool
    contested: bool
    opted_out: str
    manifest: str
    phash_distance: int | None
    pdq_distance: int | None


def proposals_for(session: Session, decider: Decider, uid: str | None = None) -> list[Proposal]:
    """Proposals that wait for this decider; those about one photo, on either side, when ``uid`` is given."""
    open_ones = _undecided(decider).add_columns(OptOut, Manifest.name).join(Manifest, OptOutMatch.manifest_id == Manifest.id)
    if uid is not None:
        open_ones = open_ones.where(or_(OptOutMatch.uid == uid, OptOut.subject == uid))
    return [
        Proposal(
            match.id,
            match.uid,
            match.owner,
            opt_out.held,
            match.contested_at is not None,
            opt_out.subject,
            name,
            match.phash_distance,
            match.pdq_distance,
        )
        for match, opt_out, name in session.execute(open_ones)
    ]


def accept_proposals(session: Session, catalogues: Catalogues, decider: Decider, match_ids: Sequence[int], now: datetime) -> list[str]:
    """Takes the proposed rows out of training, too, and returns their uids. Raises ProposalNotFound.

    What the operator decides about others' photos is stated in the log: for whoever opted out, and for owners who contested. An owner who
    did not is told by mail.
    """
    lock_entries_shared(session)
    matches = _locked(session, decider, match_ids)
    for match in matches:
        _accept(session, catalogues, decider, match, now)
    others = _decided(session, decider, matches, (LogKind.OPT_OUT_RELEASED, LogKind.CONTEST_REFUSED), now)
    promise_notices(session, {match.owner for match in others if match.contested_at is None}, now)
    outbox.add_publication(session, now)
    return [match.uid for match in matches]


def decline_proposals(session: Session, decider: Decider, match_ids: Sequence[int], now: datetime) -> list[str]:
    """Leaves the proposed rows alone, for good, and returns their uids; stated like ``accept_proposals``. Raises ProposalNotFound."""
    lock_entries_shared(session)
    matches = _locked(session, decider, match_ids)
    for match in matches:
        match.declined_at = now
        audit.record(session, decider.actor, "proposal.declined", f"match {match.id}", {}, now)
    _decided(session, decider, matches, (LogKind.OPT_OUT_LIMITED, LogKind.CONTEST_ACCEPTED), now)
    outbox.add_publication(session, now)
    return [match.uid for match in matches]


def _accept(session: Session, catalogues: Catalogues, decider: Decider, match: OptOutMatch, now: datetime) -> None:
    match.accepted_at = now
    catalogue = catalogues.opened(session.get_one(Manifest, match.manifest_id))
    for entry in row_entries(match.uid, catalogue.take([match.position], ["url"])["url"][0].as_py()):
        _list(session, match.opt_out_id, entry)
    session.flush()
    audit.record(session, decider.actor, "proposal.accepted", f"match {match.id}", {}, now)


def _decided(
    session: Session, decider: Decider, matches: Sequence[OptOutMatch], kinds: tuple[LogKind, LogKind], now: datetime
) -> list[OptOutMatch]:
    """States what the operator decided about others' photos, which it returns. A member decides about their own alone.

    ``kinds``: of the statement for whoever opted out, and of that for an owner who contested.
    """
    session.flush()
    opt_outs = {one.id: one for one in session.scalars(select(OptOut).where(OptOut.id.in_({match.opt_out_id for match in matches})))}
    own = own_owners(session, list(opt_outs.values()))
    others = [match for match in matches if decider.owners is None and match.owner not in own[match.opt_out_id]]
    state_of_requests(session, kinds[0], {match.opt_out_id: opt_outs[match.opt_out_id] for match in others}.values(), now)
    state_outcome(session, others, kinds[1], now)
    name_decided(session, list(opt_outs.values()), now)
    return others


def _list(session: Session, opt_out_id: int, entry: Entry) -> None:
    """Unless the opt-out names it already; what it named before it was held, it names again."""
    revive(session, [entry], opt_out_id)
    listed = select(ExclusionEntry.id).where(
        ExclusionEntry.opt_out_id == opt_out_id, ExclusionEntry.kind == entry.kind, ExclusionEntry.key == entry.key
    )
    if session.scalar(listed) is None:
        session.add(ExclusionEntry(opt_out_id=opt_out_id, kind=entry.kind, key=entry.key))


def _locked(session: Session, decider: Decider, match_ids: Sequence[int]) -> list[OptOutMatch]:
    """These proposals, by id, after the opt-outs that they are of, which everybody locks first and in this order."""
    ids, concerned, matches = sorted(set(match_ids)), set[int](), list[OptOutMatch]()
    for some in batched(ids):
        concerned.update(session.scalars(_undecided(decider).with_only_columns(OptOutMatch.opt_out_id).where(OptOutMatch.id.in_(some))))
    for some in batched(sorted(concerned)):
        session.execute(select(OptOut.id).where(OptOut.id.in_(some)).order_by(OptOut.id).with_for_update())
    for some in batched(ids):
        matches += session.scalars(_undecided(decider).where(OptOutMatch.id.in_(some)).with_for_update(of=OptOutMatch))
    if len(matches) < len(ids):
        raise ProposalNotFound("this proposal was decided already, or is not yours to decide")
    return matches


def _undecided(decider: Decider) -> Select[Any]:
    waiting = (
        select(OptOutMatch)
        .join(OptOut, OptOutMatch.opt_out_id == OptOut.id)
        .where(undecided(), OptOut.withdrawn_at.is_(None))
        .order_by(OptOutMatch.id)
    )
    if decider.owners is None:
        return waiting
    return waiting.where(OptOutMatch.owner.in_(decider.owners), OptOut.owner.in_(decider.owners))
