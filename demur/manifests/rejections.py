"""Rows that were left out of a catalogue: counted by reason, with a few examples of each."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from demur.manifests.digest_table import U64

EXAMPLES = 5


class Reason(StrEnum):
    """Why a row was left out."""

    NO_UID = "no_uid"
    DUPLICATE_UID = "duplicate_uid"
    WRONG_TYPE = "wrong_type"
    MALFORMED_ROW = "malformed_row"
    NOT_PUBLIC = "not_public"
    DOWNLOAD_FAILED = "download_failed"
    MISSING_PICTURE = "missing_picture"
    UNREADABLE_PICTURE = "unreadable_picture"
    UNLISTED_PICTURE = "unlisted_picture"
    PATH_OUTSIDE = "path_outside"


class Rejections:
    """Counts and examples, gathered while a source streams by, and the uids that some row says are not public, as digests.

    `notes` counts what was met although nothing was left out for it.
    """

    def __init__(self) -> None:
        self.hidden: list[U64] = []
        self.counts: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def note(self, what: str, count: int = 1) -> None:
        """Counts what was met; `what` is a plural noun with its article left out."""
        self.notes[what] += count

    def add(self, reason: Reason, examples: Iterable[str], count: int = 1) -> None:
        """Counts `count` rows. `examples` is only read as far as there is room for more."""
        self.counts[reason.value] += count
        kept = self.examples.setdefault(reason.value, [])
        for example in examples:
            if len(kept) >= EXAMPLES:
                return
            kept.append(example)
