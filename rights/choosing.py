"""What may be done with the photos that a member chose: some are out already, some were deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import Account, Exemption, OptOut, OptOutOrigin, OptOutScope, RightsRequest
from rights.catalogues import Catalogues
from rights.owned import find_owned, owned_among
from rights.standing import standing_opt_outs


@dataclass(frozen=True)
class SortedChoice:
    """The uids of a choice, each once: ``new`` may be opted out; ``out`` are opted out by the person, and may be put back."""

    new: tuple[str, ...] = ()
    out: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


def sort_choice(session: Session, catalogues: Catalogues, owners: Sequence[str], uids: Sequence[str]) -> SortedChoice:
    """Raises PhotoNotFound."""
    photos = find_owned(session, catalogues, owners, uids)
    standing = standing_opt_outs(session, owners, [photo.uid for photo in photos])
    new, out, deleted = [], [], []
    for photo in photos:
        if standing.deleted_at(photo.owner, photo.uid):
            deleted.append(photo.uid)
        elif standing.covers(photo.owner, photo.uid):
            out.append(photo.uid)
        else:
            new.append(photo.uid)
    return SortedChoice(tuple(new), tuple(out), tuple(deleted))


def any_to_put_back(session: Session, catalogues: Catalogues, owners: Sequence[str], uids: Sequence[str]) -> bool:
    """Whether the person themselves keeps one of these photos out. What is in no manifest any more is passed over."""
    photos = owned_among(session, catalogues, owners, uids).values()
    standing = standing_opt_outs(session, owners, [photo.uid for photo in photos])
    return any(standing.covers(one.owner, one.uid) and not standing.deleted_at(one.owner, one.uid) for one in photos)


@dataclass(frozen=True)
class EverythingOut:
    """A standing opt-out of everything of the person. ``whole``: of all their sign-ins. ``put_back``: photos exempted from it."""

    since: datetime
    reference: str
    request_public_id: str
    whole: bool
    put_back: int


def everything_out(session: Session, account: Account) -> EverythingOut | None:
    """The newest one, which is the one that covers most."""
    own = (OptOut.owner.in_(account.owners), OptOut.withdrawn_at.is_(None), OptOut.origin == OptOutOrigin.MEMBER)
    columns = select(OptOut.owner, OptOut.filed_at, RightsRequest.reference, RightsRequest.public_id)
    found = columns.join(RightsRequest, OptOut.request_id == RightsRequest.id).where(*own, OptOut.scope == OptOutScope.OWNER)
    rows = session.execute(found.order_by(OptOut.id.desc())).all()
    if not rows:
        return None
    _, since, reference, public_id = rows[0]
    again = select(OptOut.subject).where(*own, OptOut.scope == OptOutScope.PHOTO)
    exempt = select(func.count(Exemption.uid.distinct())).join(OptOut, Exemption.opt_out_id == OptOut.id).where(*own)
    back = session.scalar(exempt.where(Exemption.uid.not_in(again))) or 0
    return EverythingOut(since, reference, public_id, {owner for owner, *_ in rows} >= set(account.owners), back)
