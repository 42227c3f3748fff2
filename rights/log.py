"""The transparency log: what is stated, and when it becomes public.

1. ``state`` writes a statement in the transaction of what it states, and promises a publication.
2. A publication gives waiting statements their leaf and signature, and commits: before it prepares a version (rights.lists.preparing) those
   that wait then, and with the version (rights.lists.publish) those that came meanwhile, after the version's own, which ``state_numbered``
   writes with its leaf. Leaves are numbered under the lock that publications hold, so that there is no gap and no number twice.
3. ``write_log`` writes the log's files: tiles first, then the checkpoint. A crash before it leaves leaves that no checkpoint covers yet;
   every publication, every start of a worker and, every few seconds, the relay repair it.
4. Only then are receipts given out (rights.receipts), and does the list's head point at a version that the log holds.
"""

import secrets
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, undefer

from demur.errors import DemurError
from demur.receipts import Statement, commitment
from demur.receipts.statement import PAYLOAD_TYPE, SALT_BYTES
from demur.signing import SigningKey, VerifyKey
from demur.tlog import merkle
from demur.tlog.checkpoint import LogCheckpoint, WitnessKey
from demur.tlog.files import LogFiles
from demur.tlog.reader import LogReader
from demur.tlog.tiles import read_leaves
from models import Account, LogEntry, RightsRequest
from rights import outbox

BATCH = 4096  # leaves numbered, or written, at a time


class UnknownWitness(DemurError):
    """The checkpoint carries no cosignature by a witness that the operator knows."""


class LogDiffers(DemurError):
    """The log's files, its checkpoint and the database do not belong together."""


class LogAhead(DemurError):
    """The log's files promise more leaves than the database knows: it was restored from an older state, and must not go on like this."""


def state(
    session: Session,
    statement: Statement,
    now: datetime,
    *,
    request_id: int | None = None,
    account_id: int | None = None,
    run_id: int | None = None,
) -> LogEntry:
    """Writes a statement, which gets its leaf with the next publication. ``account_id``: whom it is about, where there is no request."""
    payload, salt = statement.payload(), secrets.token_bytes(SALT_BYTES)
    entry = LogEntry(
        kind=statement.kind,
        request_id=request_id,
        account_id=account_id,
        run_id=run_id,
        list_version=statement.exclusion_list.version if statement.exclusion_list else None,
        created_at=now,
        statement=payload,
        salt=salt,
        leaf=commitment(salt, payload),
    )
    session.add(entry)
    return entry


def state_numbered(session: Session, statement: Statement, key: SigningKey, now: datetime) -> LogEntry:
    """Writes a statement about no request, which gets the next leaf at once. Under the lock of publications."""
    entry = state(session, statement, now)
    entry.leaf_index, entry.envelope = next_leaf_index(session), key.sign(entry.statement, PAYLOAD_TYPE)
    session.flush()
    return entry


def next_leaf_index(session: Session) -> int:
    """The number that the next leaf gets. Under the lock of publications."""
    last = session.scalar(select(func.max(LogEntry.leaf_index)))
    return 0 if last is None else last + 1


def number_leaves(session: Session, key: SigningKey, now: datetime) -> None:
    """Gives every waiting statement its leaf and its signature, in the order in which they came. Under the lock of publications."""
    leaf_index = next_leaf_index(session)
    waiting = select(LogEntry).where(LogEntry.leaf_index.is_(None)).order_by(LogEntry.id).limit(BATCH)
    while entries := session.scalars(waiting.options(undefer(LogEntry.statement))).all():
        for entry in entries:
            entry.leaf_index, entry.envelope = leaf_index, key.sign(entry.statement, PAYLOAD_TYPE)
            leaf_index += 1
        session.flush()
        _promise_mail(session, [entry.id for entry in entries], now)


def _promise_mail(session: Session, entry_ids: Sequence[int], now: datetime) -> None:
    """A receipt for each of these entries that is about someone with a mail address, or a request of theirs."""
    about = select(LogEntry.id).outerjoin(RightsRequest, LogEntry.request_id == RightsRequest.id)
    mailed = about.join(Account, Account.id == func.coalesce(LogEntry.account_id, RightsRequest.account_id))
    for entry_id in session.scalars(mailed.where(LogEntry.id.in_(entry_ids), Account.email != "").order_by(LogEntry.id)):
        promised = outbox.add(session, outbox.MAIL_RECEIPT, {"log_entry_id": entry_id}, now)
        promised.available_at = now + outbox.PUBLISH_DELAY  # by then the log's files hold the leaf


def write_log(session: Session, files: LogFiles, key: SigningKey) -> None:
    """Brings the log's files up to the committed leaves; changes nothing when they are. Raises LogAhead, demur.tlog errors, OSError."""
    checkpoint = files.checkpoint(key.verifier)
    size, known = checkpoint.size if checkpoint else 0, next_leaf_index(session)
    if size > known:
        raise LogAhead(f"the log promises {size} leaves, but the database knows {known}: restore a newer database")
    while size < known or checkpoint is None:
        leaves = select(LogEntry.leaf).where(LogEntry.leaf_index >= size).order_by(LogEntry.leaf_index).limit(BATCH)
        checkpoint = files.append(session.scalars(leaves).all(), size, key)
        size = checkpoint.size


def add_cosignatures(files: LogFiles, key: VerifyKey, witnesses: Sequence[WitnessKey], text: str) -> int:
    """Adds the cosignatures of known witnesses to the newest checkpoint, and returns how many there were.

    Raises LogCheckpoint.open's errors, BadSignature, UnknownWitness, demur.tlog.files.LogMovedOn, OSError.
    """
    checkpoint = LogCheckpoint.open(text, key)
    lines = [(line, witness) for line in checkpoint.signatures for witness in witnesses if line.by(witness)]
    if not lines:
        raise UnknownWitness("no cosignature of it is by a witness that is known here")
    for _, witness in lines:
        checkpoint.seen_at(witness)
    files.cosign(replace(checkpoint, signatures=tuple(line for line, _ in lines)), key)
    return len(lines)


@dataclass(frozen=True)
class Compared:
    """The log's newest checkpoint, which fits its files and the database; ``waiting`` statements have no promised leaf yet."""

    checkpoint: LogCheckpoint
    waiting: int


def compare_log(session: Session, files: LogFiles, key: VerifyKey) -> Compared:
    """Reads every leaf of the log's files, and holds them against the checkpoint and the database.

    Raises LogCheckpoint.open's errors, LogDiffers, LogAhead, BadTile, OSError.
    """
    checkpoint = files.checkpoint(key)
    if checkpoint is None:
        raise LogDiffers("the log has no checkpoint yet; the first publication writes it")
    if checkpoint.size > next_leaf_index(session):
        raise LogAhead(f"the log promises {checkpoint.size} leaves, but the database knows {next_leaf_index(session)}")
    known = select(LogEntry.leaf).where(LogEntry.leaf_index < checkpoint.size).order_by(LogEntry.leaf_index)
    with closing(session.scalars(known.execution_options(yield_per=BATCH))) as leaves:
        for number, (ours, theirs) in enumerate(zip(leaves, read_leaves(files.read, checkpoint.size), strict=True)):
            if ours != theirs:
                raise LogDiffers(f"leaf {number} of the log is not the one that the database knows")
    of_leaves = merkle.root(map(merkle.leaf_hash, read_leaves(files.read, checkpoint.size)))
    if {of_leaves, LogReader(files.read, key).tree(checkpoint).root()} != {checkpoint.root}:
        raise LogDiffers("the log's files do not have the root that its checkpoint signs")
    waiting = select(func.count()).where(or_(LogEntry.leaf_index.is_(None), LogEntry.leaf_index >= checkpoint.size))
    return Compared(checkpoint, session.scalar(waiting) or 0)
