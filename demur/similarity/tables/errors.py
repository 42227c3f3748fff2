"""What can be wrong with a segment's files, or with what is asked of them."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demur.errors import DemurError


class SegmentError(DemurError):
    """Any anticipated failure of a segment."""


class NotAnIndex(SegmentError):
    """The directory holds no segment, or one of a format that this version does not read."""


class TornIndex(SegmentError):
    """Files of a segment are missing, cut short or altered."""


class IndexTooLarge(SegmentError):
    """More rows than a 32-bit number can name."""


class WrongRows(SegmentError, ValueError):
    """Other rows were given than announced."""


class RadiusTooLarge(SegmentError, ValueError):
    """The tables cannot find everything within so large a radius."""


class NoSpace(SegmentError):
    """The disk is full. What was finished stays, so that building again goes on from there."""


@contextmanager
def disk_may_be_full(path: Path) -> Iterator[None]:
    """Names what a write below `path` failed of: NoSpace where a disk, a quota or a limit is at its end, else the OSError itself."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise NoSpace(f"No space is left for the index in {path}. Make some and build again; what was finished is kept.") from error
