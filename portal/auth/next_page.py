"""Where to go after signing in: a page of this portal, or the photos."""

import re
from urllib.parse import urlsplit

# Browsers read a backslash as a slash and drop tabs and newlines, so either could turn a path into //another.host.
MOST_LETTERS = 2000  # it is kept in a stranger's session
_UNSAFE = re.compile(r"[\\\x00-\x20\x7f]")


def local_path(wanted: str | None, otherwise: str) -> str:
    """``wanted`` if it is a path on this host, else ``otherwise``."""
    if not wanted or len(wanted) > MOST_LETTERS or not wanted.startswith("/") or wanted.startswith("//") or _UNSAFE.search(wanted):
        return otherwise
    parts = urlsplit(wanted)
    return otherwise if parts.scheme or parts.netloc else wanted
