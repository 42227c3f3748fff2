"""Receipts of what was stated: put together from the database and the log's files when somebody asks for them."""

import re
from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from demur.receipts import LogKind, Receipt, Statement
from demur.tlog.reader import LogReader
from models import LogEntry, RightsRequest, TrainingRun

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def receipt(log: LogReader, entry: LogEntry) -> Receipt | None:
    """The receipt of an entry by the log's newest checkpoint; None while that does not cover its leaf.

    Raises what LogReader.checkpoint and TiledTree.inclusion_proof raise.
    """
    checkpoint = log.checkpoint() if entry.leaf_index is not None else None
    if checkpoint is None or entry.leaf_index is None or entry.envelope is None or entry.leaf_index >= checkpoint.size:
        return None
    proof = tuple(log.tree(checkpoint).inclusion_proof(entry.leaf_index))
    return Receipt(entry.envelope, entry.salt, entry.leaf_index, proof, str(checkpoint))


def file_name(statement: Statement) -> str:
    """``receipt-DM-7Q4K-92XF-opt_out_filed.json``: after what it is about."""
    version = f"version-{statement.exclusion_list.version}" if statement.exclusion_list else ""
    about = statement.reference or statement.run_name or version
    return _UNSAFE.sub("-", f"receipt-{about}-{statement.kind}.json")


def entry_by_public_id(session: Session, public_id: str) -> LogEntry | None:
    """The entry that whoever holds its id may see."""
    return session.scalar(select(LogEntry).where(LogEntry.public_id == public_id))


def entries_of(session: Session, request: RightsRequest) -> Sequence[LogEntry]:
    """What was stated about a request, oldest first."""
    return session.scalars(select(LogEntry).where(LogEntry.request_id == request.id).order_by(LogEntry.id)).all()


def entry_of_run(session: Session, run: TrainingRun) -> LogEntry | None:
    """The statement that the run was recorded; None before it was, and for runs from before there was a log."""
    return session.scalar(select(LogEntry).where(LogEntry.run_id == run.id, LogEntry.kind == LogKind.RUN_RECORDED))


def entries_of_versions(session: Session, versions: Iterable[int]) -> dict[int, LogEntry]:
    """By version: the statement that it was published. Versions from before there was a log have none."""
    published = select(LogEntry).where(LogEntry.kind == LogKind.LIST_PUBLISHED, LogEntry.list_version.in_(list(versions)))
    return {entry.list_version: entry for entry in session.scalars(published) if entry.list_version is not None}
