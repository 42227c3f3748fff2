"""Publishing the exclusion list.

The order in which a version comes to be, and what a crash between two steps leaves:

1. ``publish`` writes the files of ``versions/<n>``, durably. A crash here leaves files that nobody was promised: the head names n - 1,
   and HTTP serves only versions that stand in the database. The next publication replaces them.
2. The caller commits: the version's row, since when each entry and opt-out is in effect, and the leaves of all that was stated. From here
   on the version is promised.
3. ``make_public`` writes the log (rights.log), and then points ``head.dsse.json`` at the version, which the log therefore holds. A crash
   before this leaves an old head; every publication, every start of a worker and, each minute, the relay repair it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session, selectinload

from demur.errors import DemurError
from demur.exclusions import EntryTable, Head, ListRefused, build_version, point_head, write_version
from demur.exclusions.history import History, read_keys
from demur.exclusions.rotation import Keyring
from demur.exclusions.sources import DirectorySource
from demur.exclusions.writer import trail_of
from demur.receipts import LogKind
from demur.receipts.statement import list_published
from demur.runs import ListReference
from demur.signing import SigningKey
from demur.tlog.files import LogFiles
from models import ExclusionEntry, ExclusionListVersion, Exemption, OptOut, RequestKind, RequestState, RightsRequest
from rights import audit, log, outbox, states
from rights.list_changes import changes
from rights.locks import lock_entries_alone
from rights.statements import about_opt_outs


class PublishedFilesChanged(DemurError):
    """The files of the newest version are not those that were published, so no version can follow them."""


class KeyRotated(DemurError):
    """The key does not sign the list any more: another one was announced meanwhile."""


def publish(
    session: Session,
    directory: Path,
    key: SigningKey,
    log_key: SigningKey,
    *,
    list_id: str,
    lifetime: timedelta,
    now: datetime,
    force: bool = False,
) -> ExclusionListVersion | None:
    """Writes the next version's files and its rows; None when its entries would be the same, the head is not about to expire, and its key
    is still the list's. In all cases everything that was stated before gets its leaf.

    ``lifetime`` is from publication to expiry; a head is renewed once less than half of it is left. The session must be one that writes;
    commit, then call ``make_public``. Raises PublishedFilesChanged, KeyRotated, demur.exclusions errors, OSError.
    """
    lock_entries_alone(session)
    log.number_leaves(session, log_key, now)
    newest = newest_version(session)
    keys = _keys(directory, key)
    previous, listed = _read_published(directory, newest, keys)
    delta = changes(session, listed)
    renewed = force or about_to_expire(newest, lifetime, now) or (previous is not None and keys.key_of(previous.version) != key.verifier)
    if not delta and not renewed:
        if newest is not None:
            _take_effect(session, ListReference(list_id, newest.version, newest.root, newest.published_at), now)
            log.number_leaves(session, log_key, now)
        return None  # what was withdrawn is still named, for another opt-out stands behind it: that ends with a later version
    version = build_version(
        delta,
        previous,
        listed,
        list_id=list_id,
        published_at=now,
        expires_at=now + lifetime,
        trail=trail_of(directory, previous) if previous else 0,
        log_leaf_index=log.next_leaf_index(session),
    )
    write_version(directory, version, key)
    log.state(session, list_published(version.head), now)  # gets the leaf that the head names: all statements before have theirs
    row = _row(version.head)
    session.add(row)
    session.flush()
    _take_effect(session, ListReference.of(version.head), now)
    _end_withdrawn(session, row.version)
    log.number_leaves(session, log_key, now)
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


def newest_version(session: Session, at: datetime | None = None) -> ExclusionListVersion | None:
    """The newest version, now or as published by then."""
    versions = select(ExclusionListVersion) if at is None else select(ExclusionListVersion).where(ExclusionListVersion.published_at <= at)
    return session.scalar(versions.order_by(ExclusionListVersion.version.desc()).limit(1))


def renew(session: Session, lifetime: timedelta, now: datetime) -> None:
    """Promises a publication when the head is about to expire, although nothing changed."""
    if about_to_expire(newest_version(session), lifetime, now):
        outbox.add_publication(session, now)


def about_to_expire(newest: ExclusionListVersion | None, lifetime: timedelta, now: datetime) -> bool:
    return newest is not None and newest.expires_at - now < lifetime / 2


def _keys(directory: Path, key: SigningKey) -> Keyring:
    """All keys of the list, of which the one that signs is the newest. Raises KeyRotated, demur.exclusions errors."""
    keys = read_keys(DirectorySource(directory), key.verifier)
    if keys.reached.key != key.verifier:
        raise KeyRotated(f"{key.verifier.key_id} does not sign the list any more; {keys.reached.key.key_id} does")
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


def _take_effect(session: Session, listed: ListReference, now: datetime) -> None:
    """Everything that was named before is in effect from this version on."""
    entry, opt_out = ExclusionEntry, OptOut
    coming = update(entry).where(entry.since_version.is_(None), entry.until_version.is_(None), entry.ended.is_(False))
    session.execute(coming.values(since_version=listed.version))
    waiting = (opt_out.withdrawn_at.is_(None), opt_out.effective_version.is_(None), opt_out.named_at.is_not(None))
    _state_listed(session, waiting, listed, now)
    session.execute(update(opt_out).where(*waiting).values(effective_version=listed.version))
    _fulfil(session, listed.version, now)


def _state_listed(session: Session, waiting: Sequence[ColumnElement[bool]], listed: ListReference, now: datetime) -> None:
    """States of each request what of it is in the list from this version on."""
    columns = select(RightsRequest.id, RightsRequest.reference, OptOut.scope, OptOut.owner, OptOut.subject)
    rows = session.execute(columns.join(RightsRequest, OptOut.request_id == RightsRequest.id).where(*waiting).order_by(RightsRequest.id))
    for (request_id, reference), opt_outs in groupby(rows, key=lambda row: row[:2]):
        filed = [(scope, owner, subject) for _, _, scope, owner, subject in opt_outs]
        statement = about_opt_outs(LogKind.OPT_OUT_LISTED, reference, filed, now, listed)
        log.state(session, statement, now, request_id=request_id)


def _end_withdrawn(session: Session, version: int) -> None:
    """Everything that was withdrawn or exempted before is out of the list from ``version`` on, as far as its own opt-out goes."""
    entry, opt_out = ExclusionEntry, OptOut
    out = update(entry).where(entry.since_version.is_not(None), entry.ended.is_(True), entry.until_version.is_(None))
    session.execute(out.values(until_version=version))
    withdrawn, was_listed = opt_out.withdrawn_at.is_not(None), opt_out.effective_version.is_not(None)
    ended = update(opt_out).where(withdrawn, was_listed, opt_out.ended_version.is_(None))
    session.execute(ended.values(ended_version=version))
    carried = select(opt_out.id).where(opt_out.propagated_at.is_not(None))
    exempted = update(Exemption).where(Exemption.effective_version.is_(None), Exemption.opt_out_id.in_(carried))
    session.execute(exempted.values(effective_version=version))


def _fulfil(session: Session, version: int, now: datetime) -> None:
    """Closes the objections all of whose standing opt-outs are in effect, with their copies. No publication answers another kind."""
    standing = exists().where(OptOut.request_id == RightsRequest.id, OptOut.withdrawn_at.is_(None))
    ready = select(RightsRequest).where(
        RightsRequest.kind == RequestKind.OBJECTION,
        RightsRequest.state == RequestState.IN_PROGRESS,
        standing.where(OptOut.effective_version.is_not(None)),
        ~standing.where(OptOut.effective_version.is_(None) | OptOut.propagated_at.is_(None)),
    )
    locked = ready.order_by(RightsRequest.id).with_for_update().execution_options(populate_existing=True)
    for request in session.scalars(locked.options(selectinload(RightsRequest.events))).all():
        states.move(request, RequestState.FULFILLED, f"In the exclusion list since version {version}", now)
        audit.record(session, audit.SYSTEM, "request.fulfilled", request.public_id, {"version": version}, now)
