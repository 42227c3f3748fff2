import time
from typing import Any

from sqlalchemy.orm import Session

from jobs.workplace import Work, Workplace, now
from models import Manifest
from rights import thumbnails
from rights.thumbnails import SLICE_S, STAGE, Rows, promise_for_manifest, promise_for_owners, rows_of_manifest, rows_of_owners


def make_thumbnails(workplace: Workplace, work: Work) -> None:
    """Makes thumbnails of a manifest, or of some owners' photos, for a few seconds, and promises the rest: so turns are fair."""
    payload, store = work.payload, workplace.thumbnails
    looked_at = "owners" in payload
    if looked_at and store.is_full:
        store.prune()
    with workplace.reading() as session:
        rows = _rows(session, workplace, payload)
    until = time.monotonic() + SLICE_S

    def may_go_on() -> bool:
        return time.monotonic() < until and not work.must_stop and (looked_at or not store.is_full)

    reached = thumbnails.make_thumbnails(rows, payload["start"], store, workplace.shrinking, may_go_on)
    work.pause()
    with workplace.effect(work) as session:
        _promise_rest(session, payload, reached, sum(len(positions) for _, positions in rows), is_full=store.is_full)


def _rows(session: Session, workplace: Workplace, payload: dict[str, Any]) -> list[Rows]:
    if "owners" in payload:
        return rows_of_owners(session, workplace.catalogues, payload["owners"])
    return rows_of_manifest(session, workplace.catalogues, payload["manifest_id"])


def _promise_rest(session: Session, payload: dict[str, Any], reached: int, total: int, *, is_full: bool) -> None:
    """A full store takes nothing ahead of those who look at it."""
    if "owners" in payload:
        if reached < total:
            promise_for_owners(session, payload["owners"], now(), reached)
        return
    manifest = session.get_one(Manifest, payload["manifest_id"])
    left = reached < total and not is_full
    manifest.stage, manifest.done, manifest.total = (STAGE if left else ""), reached, total
    if left:
        promise_for_manifest(session, manifest.id, now(), reached)
