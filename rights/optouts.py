"""Filing opt-outs: what is asked for becomes one request, an opt-out for each photo, and the promise to carry them into the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from demur.errors import DemurError
from demur.receipts import LogKind
from demur.similarity.query import Query
from models import (
    Account,
    Exemption,
    Identity,
    OptOut,
    OptOutOrigin,
    OptOutScope,
    Regime,
    RequestKind,
    RequestState,
    RightsRequest,
    RightsRequestEvent,
)
from rights import audit, log, outbox, states
from rights.catalogues import Catalogues
from rights.hashes import ROW_COLUMNS, Hashes
from rights.owned import OwnedPhoto, find_owned, owned_among, read_rows
from rights.references import new_reference
from rights.standing import standing_opt_outs
from rights.statements import about_opt_outs

PROPAGATE_OPT_OUTS = "propagate_opt_outs"
"""The first step: what was opted out is named. It promises the second, the search for copies (rights.naming)."""


class NothingToOptOut(DemurError):
    """Everything that was selected is opted out already, or nothing was selected."""


@dataclass(frozen=True)
class Picture:
    """A picture that the person looked up, whether or not a manifest holds it. Its size is upright, in pixels. ``decoded``: whether the
    file itself was sent to us, so that its hashes are ours."""

    query: Query
    width: int
    height: int
    decoded: bool = False


@dataclass(frozen=True)
class Photos:
    """Photos of the person, by uid, and pictures that they looked up."""

    uids: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Everything:
    """All photos of the person, now and later."""


Selection = Photos | Everything


@dataclass(frozen=True)
class Filing:
    """What was filed: ``filed`` opt-outs, and how many of the selection (``already``) were opted out or deleted before, and skipped."""

    request: RightsRequest
    filed: int
    already: int


def file_opt_outs(
    session: Session,
    catalogues: Catalogues,
    account: Account,
    selection: Selection,
    *,
    comment: str = "",
    regime: Regime = Regime.GDPR,
    now: datetime,
) -> Filing:
    """Files one request for a selection. Raises NothingToOptOut, PhotoNotFound."""
    _lock(session, account)
    rows, already = _new_opt_outs(session, catalogues, account, selection)
    if not rows:
        raise NothingToOptOut("everything you selected is opted out already" if already else "nothing was selected")
    request = _open_request(session, account, comment, regime, now)
    filed = {"request_id": request.id, "origin": OptOutOrigin.MEMBER, "filed_at": now}
    session.execute(insert(OptOut), [row | filed for row in rows])
    statement = about_opt_outs(
        LogKind.OPT_OUT_FILED, request.reference, [(row["scope"], row["owner"], row["subject"]) for row in rows], now
    )
    log.state(session, statement, now, request_id=request.id)
    detail = {"scope": rows[0]["scope"], "filed": len(rows), "already": already}
    audit.record(session, account.public_id, "opt_outs.filed", request.public_id, detail, now)
    outbox.add(session, PROPAGATE_OPT_OUTS, {"request_id": request.id}, now)
    outbox.add_publication(session, now)  # the receipt of the filing need not wait for the search
    return Filing(request, len(rows), already)


def _lock(session: Session, account: Account) -> None:
    """Two filings at once for the same owner, be it by two clicks or by two accounts: the second finds everything opted out."""
    owners = select(Identity.id).where(Identity.owner.in_(account.owners)).order_by(Identity.id)
    session.execute(owners.with_for_update())


def _new_opt_outs(session: Session, catalogues: Catalogues, account: Account, selection: Selection) -> tuple[list[dict[str, Any]], int]:
    match selection:
        case Photos(uids, pictures):
            photos = find_owned(session, catalogues, account.owners, list(dict.fromkeys(uids)))
            new, already = _of_photos(session, photos, account.owners)
            new_pictures, pictures_already = _new(session, _of_pictures(pictures, account.owners[0]))
            return new + new_pictures, already + pictures_already
        case Everything():
            whole, already = _new(session, [_row(OptOutScope.OWNER, owner, "") | Hashes().columns() for owner in account.owners])
            return whole + _exempt_again(session, catalogues, account.owners), already


def _exempt_again(session: Session, catalogues: Catalogues, owners: Sequence[str]) -> list[dict[str, Any]]:
    """Photos that were put back from a standing opt-out of everything, one by one: that one no longer reaches them."""
    put_back = select(OptOut.owner, Exemption.uid).join(Exemption, Exemption.opt_out_id == OptOut.id)
    standing = put_back.where(OptOut.owner.in_(owners), OptOut.origin == OptOutOrigin.MEMBER, OptOut.withdrawn_at.is_(None))
    exempt = session.execute(standing.order_by(Exemption.id)).all()
    known = owned_among(session, catalogues, owners, [uid for _, uid in exempt])
    rows = [
        _row(OptOutScope.PHOTO, owner, uid) | (Hashes.of_row(known[uid].row(ROW_COLUMNS)) if uid in known else Hashes()).columns()
        for owner, uid in exempt
    ]
    return _new(session, rows)[0]


def _of_pictures(pictures: Sequence[Picture], owner: str) -> list[dict[str, Any]]:
    once = {picture.query.sha256: picture for picture in sorted(pictures, key=lambda picture: picture.decoded)}
    return [
        _row(OptOutScope.PICTURE, owner, sha256, decoded=picture.decoded) | Hashes.of_picture(picture.query).columns()
        for sha256, picture in once.items()
    ]


def _new(session: Session, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The rows that do not stand already, and the number of those that do."""
    new = [row for row in rows if not _stands(session, row)]
    return new, len(rows) - len(new)


def _of_photos(session: Session, photos: list[OwnedPhoto], owners: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    standing = standing_opt_outs(session, owners, [photo.uid for photo in photos])
    new = [photo for photo in photos if not standing.covers(photo.owner, photo.uid) and not standing.deleted_at(photo.owner, photo.uid)]
    stored = read_rows(new, ROW_COLUMNS)
    rows = [_row(OptOutScope.PHOTO, photo.owner, photo.uid) | Hashes.of_row(row).columns() for photo, row in zip(new, stored, strict=True)]
    return rows, len(photos) - len(new)


def _row(scope: OptOutScope, owner: str, subject: str, *, decoded: bool = True) -> dict[str, Any]:
    return {"scope": scope, "owner": owner, "subject": subject, "decoded": decoded}


def _stands(session: Session, row: dict[str, Any]) -> bool:
    same = select(OptOut.id).where(
        OptOut.origin == OptOutOrigin.MEMBER,
        OptOut.scope == row["scope"],
        OptOut.owner == row["owner"],
        OptOut.subject == row["subject"],
        OptOut.withdrawn_at.is_(None),
    )
    return session.scalar(same) is not None


def _open_request(session: Session, account: Account, comment: str, regime: Regime, now: datetime) -> RightsRequest:
    request = RightsRequest(
        reference=new_reference(),
        account_id=account.id,
        kind=RequestKind.OBJECTION,
        regime=regime,
        state=RequestState.OPEN,
        comment=comment.strip(),
        received_at=now,
    )
    request.events.append(RightsRequestEvent(at=now, state=RequestState.OPEN, note="Received"))
    session.add(request)
    states.move(request, RequestState.IN_PROGRESS, "Being carried into the exclusion list", now)
    session.flush()
    return request
