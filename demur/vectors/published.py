"""The list as its publisher reads it to derive vectors: its newest head, what changed since a version, and all of it if need be."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from demur.errors import DemurError
from demur.exclusions import Head
from demur.exclusions import trusted as list_rules
from demur.exclusions.delta import Delta
from demur.exclusions.reader import ExclusionList
from demur.exclusions.sources import DirectorySource, Missing
from demur.exclusions.trusted import Trusted
from demur.exclusions.writer import HEAD_FILE
from demur.signing import VerifyKey
from demur.vectors.head import ListVersion

_HEAD_LIMIT = 1 << 16
_MOST_DELTAS = 64  # beyond that many versions a pass over all rows is no longer the longer way


class ListMoved(DemurError):
    """A newer version of the list was published while vectors were made of the one before."""


@dataclass(frozen=True)
class PublishedList:
    """One version of the list in `directory`: the newest when it was opened."""

    directory: Path
    key: VerifyKey
    now: datetime
    head: Head

    @classmethod
    def open(cls, directory: Path, key: VerifyKey, now: datetime) -> "PublishedList":
        """Raises ListRefused; Missing when nothing is published yet."""
        return cls(directory, key, now, _head(directory, HEAD_FILE, key))

    @property
    def version(self) -> ListVersion:
        return ListVersion(self.head.list_id, self.head.version, self.head.root, self.head.expires_at)

    @cached_property
    def whole(self) -> ExclusionList:
        """All entries, verified. Raises ListRefused, ListMoved."""
        whole = ExclusionList.open(self.directory, key=self.key, now=self.now)
        if whole.head != self.head:
            raise ListMoved(f"version {whole.head.version} of the list was published meanwhile")
        return whole

    def changes_since(self, before: ListVersion) -> Delta | None:
        """What leads from a version to this one; None where deltas do not, or not by a short way. Raises ListRefused."""
        if not 0 <= self.head.version - before.version <= _MOST_DELTAS:
            return None
        trusted, changes = Trusted(before.list_id, before.version, before.root), Delta.of(())
        try:
            for version in range(before.version + 1, self.head.version + 1):
                head = _head(self.directory, f"versions/{version}/{HEAD_FILE}", self.key)
                trusted = list_rules.follow(trusted, head)
                data = DirectorySource(self.directory).read(f"versions/{version}/delta.parquet", head.delta.size)
                changes = changes.then(list_rules.open_delta(data, head))
        except (Missing, list_rules.Gap, list_rules.UnknownKey):
            return None
        return changes if trusted == Trusted.of(self.head) else None


def _head(directory: Path, name: str, key: VerifyKey) -> Head:
    return list_rules.open_head(DirectorySource(directory).read(name, _HEAD_LIMIT), [key])
