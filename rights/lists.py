"""Publishing the exclusion list.

The order in which a version comes to be, and what a crash between two steps leaves:

0. ``number_statements`` and ``make_public``: what was stated before a version has its leaf before it, and its receipt at once.
1. ``preparing`` reads what waits, and outside of any lock on the database makes the version and writes the files of ``versions/<n>``,
   durably. A crash here leaves files that nobody was promised: the head names n - 1, and HTTP serves only versions that stand in the
   database. The next publication replaces them.
2. ``publish``, in a short transaction: the version's row, since when each entry and opt-out is in effect, and the leaves of all that was
   stated. Once the caller has committed, the version is promised. What came since step 1 is promised another publication.
3. ``make_public`` writes the log (rights.log), and then points ``head.dsse.json`` at the version, which the log therefore holds. A crash
   before this leaves an old head; every publication, every start of a worker and, each minute, the relay repair it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, selectinload, sessionmaker

from demur.errors import DemurError
from demur.exclusions import EntryTable, Head, ListRefused, Version, build_version, point_head, write_version
from demur.exclusions.history import History, read_keys
from demur.exclusions.rotation import Keyring
from demur.exclusions.sources import DirectorySource
from demur.exclusions.writer import trail_of
from demur.files import alone_in
from demur.receipts import LogKind
from demur.receipts.statement import list_published
from demur.runs import ListReference
from demur.signing import SigningKey
from demur.tlog.files import LogFiles
from models import ExclusionListVersion, OptOut, RequestKind, RequestState, RightsRequest
from rights import audit, log, outbox, states
from rights.batches import batched
from rights.list_changes import Pending, came_since, mark_in, mark_out, names_more, pending
from rights.list_versions import newest_version
from rights.locks import lock_entries_alone
from rights.statements import about_opt_outs


class PublishedFilesChanged(DemurError):
    """The files of the newest version are not those that were published, so no version can follow them."""


class KeyRotated(DemurError):
    """The key does not sign the list any more: another one was announced meanwhile."""


class ListMovedOn(DemurError):
    """Another publication came first, so the prepared version is not the next one."""


@dataclass(frozen=True)
class ListPress:
    """Where the list lies, and what its versions are made with. ``lifetime``: from publication to expiry."""

    directory: Path
    key: SigningKey
    log_key: SigningKey
    list_id: str
    lifetime: timedelta


@dataclass(frozen=True)
class Prepared:
    """The next version, its files written; ``version`` is None where its entries would be the same, and its head needs no renewal."""

    press: ListPress
    seen: Pending
    version: Version | None
    at: datetime


def number_statements(session: Session, log_key: SigningKey, now: datetime) -> None:
    """Gives everything that was stated its leaf; then ``make_public``: receipts need not wait until a version is prepared."""
    lock_entries_alone(session)
    log.number_leaves(session, log_key, now)


@contextmanager
def preparing(sessions: sessionmaker[Session], press: ListPress, now: datetime, *, force: bool = False) -> Iterator[Prepared]:
    """Prepares the next version. No other process prepares one until this is left: commit before. ``sessions`` must be of those that write.

    Raises PublishedFilesChanged, KeyRotated, demur.exclusions errors, OSError.
    """
    press.directory.mkdir(parents=True, exist_ok=True)
    with alone_in(press.directory):
        with sessions.begin() as session:
            seen = pending(session)
        yield prepare(seen, press, now, force=force)


def prepare(seen: Pending, press: ListPress, now: datetime, *, force: bool = False) -> Prepared:
    """Makes the version, and writes its files: a head is renewed once less than half of its lifetime is left, or its key was rotated.

    Raises PublishedFilesChanged, KeyRotated, demur.exclusions errors, OSError.
    """
    keys = _keys(press)
    previous, listed = _read_published(press.directory, seen.newest, keys)
    delta = seen.delta(listed)
    rotated = previous is not None and keys.key_of(previous.version) != press.key.verifier
    if not (delta or force or rotated or about_to_expire(seen.newest, press.lifetime, now)):
        return Prepared(press, seen, None, now)
    version = build_version(
        delta,
        previous,
        listed,
        list_id=press.list_id,
        published_at=now,
        expires_at=now + press.lifetime,
        trail=trail_of(press.directory, previous) if previous else 0,
        log_leaf_index=seen.leaf_index,
    )
    write_version(press.directory, version, press.key)
    return Prepared(press, seen, version, now)


def publish(session: Session, prepared: Prepared) -> ExclusionListVersion | None:
    """Puts what was prepared into effect, and gives everything that was stated its leaf. Returns the version's row, if there is a new one.

    The session must be one that writes; commit, then call ``make_public``. Raises ListMovedOn, KeyRotated, BadRotation, OSError.
    """
    lock_entries_alone(session)
    _refuse_moved_on(session, prepared)
    row = _new_version(session, prepared) if prepared.version else prepared.seen.newest
    if row is not None:
        _take_effect(session, prepared, ListReference(prepared.press.list_id, row.version, row.root, row.published_at))
    log.number_leaves(session, prepared.press.log_key, prepared.at)
    if came_since(session, prepared.seen):
        outbox.add(session, outbox.PUBLISH_LIST, {}, prepared.at)  # even if one is promised: it may be this one
    return row if prepared.version else None


def _refuse_moved_on(session: Session, prepared: Prepared) -> None:
    """Raises ListMovedOn, KeyRotated."""
    newest, seen = newest_version(session), prepared.seen
    if (newest.version if newest else 0, log.next_leaf_index(session)) != (seen.newest.version if seen.newest else 0, seen.leaf_index):
        raise ListMovedOn("another publication came first; the next one begins again")
    _keys(prepared.press)


def _new_version(session: Session, prepared: Prepared) -> ExclusionListVersion:
    assert prepared.version is not None
    head, press, now = prepared.version.head, prepared.press, prepared.at
    log.state_numbered(session, list_published(head), press.log_key, now)  # the leaf that the head names, before all that waits
    row = _row(head)
    session.add(row)
    session.flush()
    detail = {"root": row.root, "added": row.added, "removed": row.removed}
    audit.record(session, audit.SYSTEM, "list.published", f"version {row.version}", detail, now)
    outbox.add(session, outbox.UPDATE_VECTORS, {}, now)
    return row


def make_public(session: Session, directory: Path, files: LogFiles, log_key: SigningKey) -> None:
    """Writes the log up to the committed leaves, then points the head at the newest committed version; changes nothing when that is so.

    Raises demur.tlog errors, LogAhead, VersionMissing, OSError.
    """
    log.write_log(session, files, log_key)
    newest = newest_version(session)
    if newest is not None:
        point_head(directory, newest.version)


def renew(session: Session, lifetime: timedelta, now: datetime) -> None:
    """Promises a publication when the head is about to expire, although nothing changed."""
    if about_to_expire(newest_version(session), lifetime, now):
        outbox.add_publication(session, now)


def about_to_expire(newest: ExclusionListVersion | None, lifetime: timedelta, now: datetime) -> bool:
    return newest is not None and newest.expires_at - now < lifetime / 2


def _keys(press: ListPress) -> Keyring:
    """All keys of the list, of which the one that signs is the newest. Raises KeyRotated, demur.exclusions errors."""
    own = press.key.verifier
    keys = read_keys(DirectorySource(press.directory), own)
    if keys.reached.key != own:
        raise KeyRotated(f"{own.key_id} does not sign the list any more; {keys.reached.key.key_id} does")
    return keys


def _read_published(directory: Path, newest: ExclusionListVersion | None, keys: Keyring) -> tuple[Head | None, EntryTable]:
    """The newest version as its files say: None and nothing before the first."""
    if newest is None:
        return None, EntryTable.of(())
    try:
        history = History(DirectorySource(directory), keys)
        head = history.head(newest.version)
        listed = history.as_signed(head)
    except ListRefused as error:
        raise PublishedFilesChanged(f"version {newest.version} in {directory} is not as it was published: {error}") from error
    if head.root != newest.root:
        raise PublishedFilesChanged(f"in the place of version {newest.version} in {directory} lies another one than was published")
    return head, listed


def _row(head: Head) -> ExclusionListVersion:
    return ExclusionListVersion(
        version=head.version,
        root=head.root,
        total=head.total,
        added=head.added,
        removed=head.removed,
        counts={kind.value: count for kind, count in head.counts.items()},
        published_at=head.published_at,
        expires_at=head.expires_at,
    )


def _take_effect(session: Session, prepared: Prepared, listed: ListReference) -> None:
    """Everything that was named when the version was prepared is in effect from it on, and everything that was taken back is out of it.

    Where there is no new version, what was taken back is still named, for another opt-out stands behind it: that ends with a later one.
    """
    _state_listed(session, prepared.seen.opt_outs_in, listed, prepared.at)
    mark_in(session, prepared.seen, listed.version)
    if prepared.version is not None:
        mark_out(session, prepared.seen, listed.version)
    _fulfil(session, listed.version, prepared.at)


def _state_listed(session: Session, opt_outs: Sequence[int], listed: ListReference, now: datetime) -> None:
    """States of each request what of it is in the list from this version on."""
    columns = select(RightsRequest.id, RightsRequest.reference, OptOut.scope, OptOut.owner, OptOut.subject)
    joined = columns.join(RightsRequest, OptOut.request_id == RightsRequest.id).where(OptOut.effective_version.is_(None))
    rows = [row for some in batched(opt_outs) for row in session.execute(joined.where(OptOut.id.in_(some))).all()]
    for (request_id, reference), of_request in groupby(sorted(rows, key=lambda row: row.id), key=lambda row: (row.id, row.reference)):
        filed = [(row.scope, row.owner, row.subject) for row in of_request]
        statement = about_opt_outs(LogKind.OPT_OUT_LISTED, reference, filed, now, listed)
        log.state(session, statement, now, request_id=request_id)


def _fulfil(session: Session, version: int, now: datetime) -> None:
    """Closes the objections all of whose standing opt-outs are in effect, with their copies. No publication answers another kind."""
    standing = exists().where(OptOut.request_id == RightsRequest.id, OptOut.withdrawn_at.is_(None))
    ready = select(RightsRequest).where(
        RightsRequest.kind == RequestKind.OBJECTION,
        RightsRequest.state == RequestState.IN_PROGRESS,
        standing.where(OptOut.effective_version.is_not(None)),
        ~standing.where(OptOut.effective_version.is_(None) | OptOut.propagated_at.is_(None) | names_more()),
    )
    locked = ready.order_by(RightsRequest.id).with_for_update().execution_options(populate_existing=True)
    for request in session.scalars(locked.options(selectinload(RightsRequest.events))).all():
        states.move(request, RequestState.FULFILLED, f"In the exclusion list since version {version}", now)
        audit.record(session, audit.SYSTEM, "request.fulfilled", request.public_id, {"version": version}, now)
