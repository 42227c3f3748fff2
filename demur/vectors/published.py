"""The list as its publisher reads it to derive vectors: its newest version, what changed since another one, and all of it if need be."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from demur.exclusions import Head
from demur.exclusions.delta import Delta
from demur.exclusions.head import MOST_DELTAS
from demur.exclusions.history import History, read_newest
from demur.exclusions.matching import Matcher
from demur.exclusions.sources import DirectorySource, Missing
from demur.exclusions.table import EntryTable
from demur.exclusions.trusted import Gap
from demur.signing import VerifyKey
from demur.vectors.head import ListVersion


@dataclass(frozen=True)
class PublishedList:
    """One version of the list in a directory: the newest when it was opened."""

    history: History
    head: Head

    @classmethod
    def open(cls, directory: Path, key: VerifyKey) -> "PublishedList":
        """Raises ListRefused; Missing when nothing is published yet."""
        source = DirectorySource(directory)
        head, keys = read_newest(source, key)
        return cls(History(source, keys), head)

    @property
    def version(self) -> ListVersion:
        return ListVersion(self.head.list_id, self.head.version, self.head.root, self.head.expires_at)

    @cached_property
    def entries(self) -> EntryTable:
        """All entries, verified. Raises ListRefused."""
        return self.history.read(self.head).entries

    @cached_property
    def matcher(self) -> Matcher:
        """All entries, to be compared with rows. Raises ListRefused."""
        return Matcher(self.entries)

    def changes_since(self, before: ListVersion) -> Delta | None:
        """What leads from a version to this one; None where nothing does, or not by a short way. Raises ListRefused."""
        if not 0 <= self.head.version - before.version <= MOST_DELTAS:
            return None
        try:
            head = self.head if before.version == self.head.version else self.history.head(before.version)
            same = (head.list_id, head.root) == (before.list_id, before.root)
            return self.history.delta(head, self.head) if same else None
        except (Missing, Gap):
            return None
