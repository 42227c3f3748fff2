"""A witness of a log: cosigns a tree only if it extends the one that it saw before.

So a log that shows different trees to different readers cannot have both cosigned. The state file is what the witness has seen: whoever
removes it gives up the protection.
"""

import json
from datetime import datetime
from pathlib import Path

from demur.digests import canonical_json
from demur.errors import DemurError, Refused
from demur.fields import count, digest, fields
from demur.files import atomic_write
from demur.signing import SigningKey
from demur.tlog import merkle
from demur.tlog.checkpoint import LogCheckpoint
from demur.tlog.merkle import ProofRefused
from demur.tlog.reader import LogReader


class LogForked(Refused):
    """The log shows another history than the one that was seen before."""


class LogRolledBack(Refused):
    """The log shows an older tree than the one that was seen before."""


class NothingSigned(DemurError):
    """The log has no checkpoint yet."""


class BadWitnessState(DemurError):
    """The state file is not one of a witness, so a forked log could not be noticed."""


def witness(log: LogReader, state: Path, key: SigningKey, now: datetime) -> LogCheckpoint:
    """The log's newest checkpoint, cosigned. What was seen is durable before the cosignature is given out.

    Raises NothingSigned, LogForked, LogRolledBack, BadWitnessState, what LogReader.checkpoint and TiledTree raise, OSError.
    """
    checkpoint = log.checkpoint()
    if checkpoint is None:
        raise NothingSigned(f"the log {log.key.name} has no checkpoint yet")
    _refuse_other_history(_seen(state, checkpoint.origin), checkpoint, log)
    atomic_write(state, canonical_json({"log": checkpoint.origin, "root": checkpoint.root.hex(), "size": checkpoint.size}))
    return checkpoint.cosign(key, now)


def _refuse_other_history(seen: tuple[int, bytes] | None, checkpoint: LogCheckpoint, log: LogReader) -> None:
    tree = log.tree(checkpoint)
    if tree.root() != checkpoint.root:
        raise LogForked(f"the tiles of the log {checkpoint.origin} do not have the root that it signed for {checkpoint.size} leaves")
    if seen is None:
        return
    size, root = seen
    if checkpoint.size < size:
        raise LogRolledBack(f"the log {checkpoint.origin} shows {checkpoint.size} leaves, but {size} were seen before")
    proof = tree.consistency_proof(size) if size else []
    try:
        if size:
            merkle.verify_consistency(size, root, checkpoint.size, checkpoint.root, proof)
    except ProofRefused as error:
        raise LogForked(f"the log {checkpoint.origin} does not extend the {size} leaves that were seen before: {error}") from error


def _seen(state: Path, origin: str) -> tuple[int, bytes] | None:
    """Size and root of the tree that was seen last; None at the first time. Raises BadWitnessState, OSError."""
    try:
        told = fields(json.loads(state.read_bytes()))
        if told["log"] != origin:
            raise BadWitnessState(f"{state} is about the log {told['log']}, not about {origin}")
        return count(told["size"]), bytes.fromhex(digest(told["root"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadWitnessState(f"{state} is not a readable state file, so a forked log could not be noticed") from error
