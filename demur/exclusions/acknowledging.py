"""Telling the publisher of a list which version was applied to a manifest, and what that dropped (docs/api.md).

Nobody needs to: a list is obeyed without it. It is how an operator learns who still trains by an old version.
"""

from demur.errors import DemurError
from demur.exclusions.head import Head
from demur.exclusions.sources import HttpSource, Source
from demur.exclusions.trusted import Unreachable

LONGEST_NAME = 200  # of a manifest, in characters
_REFUSALS = {
    401: "the token is not known there",
    403: "the token may not read the list",
    404: "it takes no acknowledgements",
    422: "it never published this version",
}


class NotAcknowledged(DemurError):
    """The publisher could not be told. What was filtered is filtered all the same."""


def acknowledge(source: Source, head: Head, *, manifest: str, rows: int, dropped: int) -> None:
    """Says that the version of `head`, which came from `source`, dropped `dropped` of the `rows` rows of `manifest`.

    `manifest`: any name by which the operator and you can speak about it; cut to LONGEST_NAME printable characters.
    Raises NotAcknowledged.
    """
    if not isinstance(source, HttpSource):
        raise NotAcknowledged("the list was read from a directory, not from its publisher")
    name = "".join(filter(str.isprintable, manifest))[:LONGEST_NAME]
    told = {"version": head.version, "root": head.root, "manifest": name, "rows": rows, "dropped": dropped}
    try:
        status = source.tell("acknowledgements", told)
    except Unreachable as error:
        raise NotAcknowledged(str(error)) from error
    if status != 201:
        raise NotAcknowledged(f"it answered {status}" + (f": {_REFUSALS[status]}" if status in _REFUSALS else ""))
