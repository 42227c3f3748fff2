"""Publishing the exclusion list.

The order in which a version comes to be, and what a crash between two steps leaves. ``preparing`` spans all of it, and one process of a
machine is in there at a time.

1. In a short transaction everything that was stated gets its leaf, and what waits for the next version is read. ``make_public`` follows, so
   that receipts need not wait for the version, and whatever a crash left after step 3 is mended before a version follows on it.
2. Outside of any lock on the database the version is made, and its files are written beside their place, durably. A crash here leaves files
   that nobody was promised; they are removed once their number is published.
3. ``publish``, in a short transaction that goes on only where no other publication came first: the files take their place,
   ``versions/<n>``; the version's row, since when each entry and opt-out is in effect, and the leaves of what was stated meanwhile. A crash
   before the commit leaves ``versions/<n>``, which nobody was promised: the head names n - 1, HTTP serves only versions that are in the
   database, and the next publication replaces it, under the same lock. Once the caller has committed, the version is promised. What
   came since step 1 is promised another publication.
4. ``make_public`` writes the log (rights.log), and then points ``head.dsse.json`` at the version, which the log therefore holds. A crash
   before this leaves an old head; every publication, every start of a worker and, every few seconds, the relay repair it.
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
from demur.exclusions import EntryTable, Head, ListRefused, Version, build_version, place_version, point_head, written_version
from demur.exclusions.history import History, read_keys
from demur.exclusions.rotation import Keyring
from demur.exclusions.sources import DirectorySource
from demur.exclusions.writer import WrittenVersion, remove_unplaced, trail_of
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
    """Where the list and the log lie, and what versions are made with. ``lifetime``: from publication to expiry."""

    directory: Path
    key: SigningKey
    log: LogFiles
    log_key: SigningKey
    list_id: str
    lifetime: timedelta


@dataclass(frozen=True)
class Prepared:
    """The next version, its files written; None where its entries would be the same, and its head needs no renewal."""

    press: ListPress
    seen: Pending
    written: WrittenVersion | None
    at: datetime


@contextmanager
def preparing(
    reading: sessionmaker[Session], writing: sessionmaker[Session], press: ListPress, now: datetime, *, force: bool = False
) -> Iterator[Prepared]:
    """Prepares the next version; ``publish`` it and commit before leaving this. No other process of the machine is in here meanwhile.

    Gives what was stated its leaf, and makes public what is committed, before and after. Raises PublishedFilesChanged, KeyRotated,
    demur.exclusions errors, what make_public raises, OSError.
    """
    press.directory.mkdir(parents=True, exist_ok=True)
    with alone_in(press.directory):
        with writing.begin() as session:
            lock_entries_alone(session)
            log.number_leaves(session, press.log_key, now)
            seen = pending(session)
        _make_public(reading, press)
        if seen.newest is not None:
            remove_unplaced(press.directory, seen.newest.version)
        with prepare(seen, press, now, force=force) as prepared:
            yield prepared
        _make_public(reading, press)


@contextmanager
def prepare(seen: Pending, press: ListPress, now: datetime, *, force: bool = False) -> Iterator[Prepared]:
    """Makes the version, and writes its files, which are gone on leaving this unless it was published.

    Raises PublishedFilesChanged, KeyRotated, demur.exclusions errors, OSError.
    """
    version = _next_version(seen, press, now, force=force)
    if version is None:
        yield Prepared(press, seen, None, now)
    else:
        with written_version(press.directory, version, press.key) as written:
            yield Prepared(press, seen, written, now)


def _next_version(seen: Pending, press: ListPress, now: datetime, *, force: bool) -> Version | None:
    """None where nothing would change: a head is renewed once less than half of its lifetime is left, or its key was rotated.

    The published list is read only where something comes or goes, or a head is due: most publications are for statements alone.
    """
    keys = _keys(press)
    rotated = seen.newest is not None and keys.key_of(seen.newest.version) != press.key.verifier
    due = force or rotated or about_to_expire(seen.newest, press.lifetime, now)
    if not (due or seen.coming or seen.going):
        return None
    previous, listed = _read_published(press.directory, seen.newest, keys)
    delta = seen.delta(listed)
    if not (due or delta):
        return None
    return build_version(
        delta,
        previous,
        listed,
        list_id=press.list_id,
        published_at=now,
        expires_at=now + press.lifetime,
        trail=trail_of(press.directory, previous) if previous else 0,
        log_leaf_index=seen.leaf_index,
    )


def publish(session: Session, prepared: Prepared, *, but: int | None = None) -> ExclusionListVersion | None:
    """Puts what was prepared into effect, and gives everything that was stated its leaf. Returns the version's row, if there is a new one.

    What came since is promised another publication. ``but``: id of the outbox row that promised this one, which does not count. The session
    must be one that writes. Raises ListMovedOn, KeyRotated, BadRotation, VersionPublished, OSError.
    """
    lock_entries_alone(session)
    _refuse_moved_on(session, prepared)
    row = _new_version(session, prepared, prepared.written) if prepared.written else prepared.seen.newest
    if row is not None:
        _take_effect(session, prepared, ListReference(prepared.press.list_id, row.version, row.root, row.published_at))
    log.number_leaves(session, prepared.press.log_key, prepared.at)
    if came_since(session, prepared.seen):
        outbox.add_publication(session, prepared.at, but=but)
    return row if prepared.written else None


def _refuse_moved_on(session: Session, prepared: Prepared) -> None:
    """Raises ListMovedOn, KeyRotated."""
    newest, seen = newest_version(session), prepared.seen
    if (newest.version if newest else 0, log.next_leaf_index(session)) != (seen.newest.version if seen.newest else 0, seen.leaf_index):
        raise ListMovedOn("another publication came first; the next one begins again")
    _keys(prepared.press)


def _new_version(session: Session, prepared: Prepared, written: WrittenVersion) -> ExclusionListVersion:
    head, press, now = written.head, prepared.press, prepared.at
    place_version(press.directory, written)
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


def _make_public(reading: sessionmaker[Session], press: ListPress) -> None:
    with reading() as session:
        make_public(session, press.directory, press.log, press.log_key)


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
    if prepared.written is not None:
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
