"""What `index.json` says of one generation of a similarity index.

Rows of all sources share one numbering: row `position` of a source has the number `start + position - first`. A number whose source was
removed stays taken until no table holds it any more.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from demur.digests import canonical_json
from demur.similarity.tables.errors import IndexTooLarge, NotAnIndex, SegmentError, TornIndex

FORMAT = "demur-similarity-index/1"
NUMBERS = (1 << 32) - 1
"""Row numbers that there are: an unsigned 32-bit number has one more, which stays free."""


class UnknownSource(SegmentError):
    """The index holds no source of this name."""


@dataclass(frozen=True)
class Source:
    """A named range of row numbers: `rows` of them from `start`. They stand for the source's rows from its position `first` on."""

    name: str
    start: int
    rows: int
    first: int = 0

    @property
    def end(self) -> int:
        return self.start + self.rows


@dataclass(frozen=True)
class Table:
    """A segment's directory, or the file of a delta or of tombstones: its name beside index.json, and how many rows it has.

    `digest` is the SHA-256 of a file's bytes; empty for a segment, which carries its own.
    """

    name: str
    rows: int
    digest: str = ""


@dataclass(frozen=True)
class Generation:
    """One state of an index, whole. Sources are ordered by their row numbers, tables from the oldest to the newest.

    `removed` are ranges of numbers without a source, whose rows may still stand in a table; `tombstones` are single rows that are gone.
    """

    number: int = 0
    sources: tuple[Source, ...] = ()
    removed: tuple[Source, ...] = ()
    segments: tuple[Table, ...] = ()
    deltas: tuple[Table, ...] = ()
    tombstones: Table | None = None

    @property
    def files(self) -> set[str]:
        """Names of the files and directories that belong to it."""
        return {table.name for table in (*self.segments, *self.deltas, *((self.tombstones,) if self.tombstones else ()))}

    @property
    def hashes(self) -> int:
        """How many hashes stand in its tables, those of removed rows too."""
        return sum(table.rows for table in (*self.segments, *self.deltas))

    @property
    def compacted(self) -> bool:
        """Whether all rows stand in one table, and none of them is gone."""
        return len(self.segments) + len(self.deltas) <= 1 and not self.removed and not self.tombstones

    def mergeable(self, delta_rows: int) -> tuple[Table, ...]:
        """Tables to be merged next: the deltas once they hold more than `delta_rows`, or the two newest segments unless the older is more
        than twice as large, so that every row is moved a logarithmic number of times. Empty when all is well."""
        if sum(delta.rows for delta in self.deltas) > delta_rows:
            return self.deltas
        if len(self.segments) > 1 and 2 * self.segments[-1].rows >= self.segments[-2].rows:
            return self.segments[-2:]
        return ()

    def find(self, name: str) -> Source:
        """Raises UnknownSource."""
        for source in self.sources:
            if source.name == name:
                return source
        raise UnknownSource(f"the index holds no source named {name}")

    def room(self, rows: int) -> int:
        """The lowest number from which `rows` numbers are free. Raises IndexTooLarge."""
        start = 0
        for taken in sorted((*self.sources, *self.removed), key=lambda taken: taken.start):
            if taken.start - start >= rows:
                break
            start = max(start, taken.end)
        if start + rows > NUMBERS:
            raise IndexTooLarge(
                f"{rows:,} more rows do not fit into one index, which numbers {NUMBERS:,}; make one index for each range of rows (shards)"
            )
        return start

    def with_source(self, source: Source) -> "Generation":
        return replace(self, sources=tuple(sorted((*self.sources, source), key=lambda one: one.start)))

    def without_source(self, name: str) -> "Generation":
        """Without the source of this name, if it is there."""
        gone = tuple(source for source in self.sources if source.name == name)
        kept = tuple(source for source in self.sources if source.name != name)
        return replace(self, sources=kept, removed=(*self.removed, *gone))

    def encoded(self) -> bytes:
        """As index.json, with the SHA-256 of its own canonical JSON."""
        content = {"format": FORMAT, **asdict(self)}
        return json.dumps({**content, "digest": _digest(content)}, indent=1, ensure_ascii=False).encode()

    @classmethod
    def decoded(cls, data: bytes, where: Path) -> "Generation":
        """From index.json. Raises NotAnIndex for another format, TornIndex for damage; `where` names it in the message."""
        try:
            content = json.loads(data)
            said = content.pop("digest", None) if isinstance(content, dict) else None
        except ValueError as error:
            raise TornIndex(f"{where} is cut short or damaged; build the index again.") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise NotAnIndex(f"{where} does not describe a similarity index that this version reads ({FORMAT}).")
        if said != _digest(content):
            raise TornIndex(f"{where} has been altered or damaged: its digest does not hold. Build the index again.")
        return cls._of(content)

    @classmethod
    def _of(cls, content: dict[str, Any]) -> "Generation":
        return cls(
            content["number"],
            tuple(Source(**one) for one in content["sources"]),
            tuple(Source(**one) for one in content["removed"]),
            tuple(Table(**one) for one in content["segments"]),
            tuple(Table(**one) for one in content["deltas"]),
            Table(**content["tombstones"]) if content["tombstones"] else None,
        )


def described_path(directory: Path) -> Path:
    """Where the description of an index stands."""
    return directory / "index.json"


def described(directory: Path) -> bytes:
    """The description of the newest generation. Raises NotAnIndex, OSError."""
    try:
        return described_path(directory).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotAnIndex(f"{directory} is no similarity index: it has no index.json.") from None


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content)).hexdigest()
