"""Rows that may show an opted-out photo: their owner decides about their own, the operator about the others."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from demur.errors import DemurError
from demur.exclusions import Entry
from demur.similarity.rules import MatchKind
from models import Account, ExclusionEntry, Manifest, OptOut, OptOutMatch
from rights import audit, outbox
from rights.catalogues import Catalogues
from rights.locks import lock_entries_shared
from rights.propagation import revive
from rights.propagation_plan import row_entries


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


def accept_proposal(session: Session, catalogues: Catalogues, decider: Decider, match_id: int, now: datetime) -> str:
    """Takes the proposed row out of training, too, and returns its uid. Raises ProposalNotFound."""
    lock_entries_shared(session)
    match = _locked(session, decider, match_id)
    match.accepted_at = now
    catalogue = catalogues.opened(session.get_one(Manifest, match.manifest_id))
    for entry in row_entries(match.uid, catalogue.take([match.position], ["url"])["url"][0].as_py()):
        _list(session, match.opt_out_id, entry)
    session.flush()
    audit.record(session, decider.actor, "proposal.accepted", f"match {match.id}", {}, now)
    outbox.add_publication(session, now)
    return match.uid


def decline_proposal(session: Session, decider: Decider, match_id: int, now: datetime) -> str:
    """Leaves the proposed row alone, for good, and returns its uid. Raises ProposalNotFound."""
    match = _locked(session, decider, match_id)
    match.declined_at = now
    audit.record(session, decider.actor, "proposal.declined", f"match {match.id}", {}, now)
    return match.uid


def _list(session: Session, opt_out_id: int, entry: Entry) -> None:
    """Unless the opt-out names it already; what it named before it was held, it names again."""
    revive(session, [entry], opt_out_id)
    listed = select(ExclusionEntry.id).where(
        ExclusionEntry.opt_out_id == opt_out_id, ExclusionEntry.kind == entry.kind, ExclusionEntry.key == entry.key
    )
    if session.scalar(listed) is None:
        session.add(ExclusionEntry(opt_out_id=opt_out_id, kind=entry.kind, key=entry.key))


def _locked(session: Session, decider: Decider, match_id: int) -> OptOutMatch:
    match = session.scalar(_undecided(decider).where(OptOutMatch.id == match_id).with_for_update())
    if match is None:
        raise ProposalNotFound("this proposal was decided already, or is not yours to decide")
    return match


def _undecided(decider: Decider) -> Select[Any]:
    waiting = (
        select(OptOutMatch)
        .join(OptOut, OptOutMatch.opt_out_id == OptOut.id)
        .where(
            OptOutMatch.kind == MatchKind.PROPOSED,
            OptOutMatch.accepted_at.is_(None),
            OptOutMatch.declined_at.is_(None),
            OptOut.withdrawn_at.is_(None),
        )
        .order_by(OptOutMatch.id)
    )
    if decider.owners is None:
        return waiting
    return waiting.where(OptOutMatch.owner.in_(decider.owners), OptOut.owner.in_(decider.owners))
