"""What comes of verifying a file: one of three answers, and what the file proves where it holds."""

from dataclasses import dataclass
from enum import StrEnum

from demur.errors import DemurError


class Answer(StrEnum):
    """There are three. A file that nobody could check is neither good nor bad."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNCHECKED = "could not be checked"


class Unchecked(DemurError):
    """The file could not be checked. ``remedy``: what to do about it, a sentence. Base of the errors below."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


class UnknownFile(Unchecked):
    """The file is none of the kinds that can be verified."""


class NothingToCompare(Unchecked):
    """The file is only meaningful beside another one that was not given."""


class NotHere(Unchecked):
    """The file is of a kind that is verified elsewhere."""


class TooLarge(Unchecked):
    """The file is larger than its kind ever is."""


class KeyNotGiven(Unchecked):
    """The file is signed by a key that the reader did not give, or gave for something else."""


class TooMuchWork(Unchecked):
    """The files given before it took all the time that is spent on them here."""


class CutShort(Unchecked):
    """The file ends before what it holds does."""


class BadBundle(Unchecked):
    """The zip file is damaged, or holds more than a bundle of evidence does."""


class FactKind(StrEnum):
    """What a file that holds is about."""

    VERSION = "version"
    ROTATIONS = "rotations"
    ENTRIES = "entries"
    EXCLUDED = "excluded"
    RUN = "run"
    SAMPLES = "samples"
    USED = "used"
    ABSENT = "absent"
    RECEIPT = "receipt"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class Fact:
    """``subject``: the photo, request or run that it is about. ``of``: the list, the run or the log. ``version``: of the list, 0 for none.
    ``detail``: of an entry the kind of its key, of a receipt what was stated, of a run the list that it obeyed."""

    kind: FactKind
    subject: str = ""
    of: str = ""
    version: int = 0
    detail: str = ""

    @property
    def photo(self) -> str:
        """The uid of the photo that it is about; empty where it is about something else. static/verify/summary.js says the same."""
        is_photo = self.kind in (FactKind.EXCLUDED, FactKind.ABSENT, FactKind.USED) and self.detail != "owner"
        return self.subject if is_photo else ""


@dataclass(frozen=True)
class Finding:
    """What came of one document.

    Where it holds: ``fact``, what it ``proves`` and what not, and which key ``signed`` it (``ROLE key``; of a proof, the key of what it
    was held against). Else the name of the ``error`` and the ``reason``; where it could not be checked, ``remedy`` says what to do.
    """

    file: str
    kind: str
    answer: Answer
    proves: str = ""
    not_proves: str = ""
    signed: str = ""
    fact: Fact | None = None
    error: str = ""
    reason: str = ""
    remedy: str = ""
