"""A log as anyone reads it: from its directory, or over HTTP."""

from demur.exclusions.sources import Missing
from demur.signing import VerifyKey
from demur.tlog.checkpoint import BadCheckpoint, LogCheckpoint
from demur.tlog.tiles import Read, TiledTree

CHECKPOINT_FILE = "checkpoint"
_CHECKPOINT_LIMIT = 1 << 16


class LogReader:
    """Believes nothing that the log's key did not sign. ``read``: such as the ``read`` of a demur.exclusions.sources.Source."""

    def __init__(self, read: Read, key: VerifyKey) -> None:
        self._read, self.key = read, key

    def checkpoint(self) -> LogCheckpoint | None:
        """The newest checkpoint; None where there is none yet. Raises LogCheckpoint.open's errors, Unreachable."""
        try:
            data = self._read(CHECKPOINT_FILE, _CHECKPOINT_LIMIT)
        except Missing:
            return None
        try:
            return LogCheckpoint.open(data.decode(), self.key)
        except UnicodeDecodeError as error:
            raise BadCheckpoint("the checkpoint is not UTF-8 text") from error

    def tree(self, checkpoint: LogCheckpoint) -> TiledTree:
        """The tree that a checkpoint signs."""
        return TiledTree(self._read, checkpoint.size)
