"""What the portal keeps is for its own user alone: names, comments, captions and receipts are personal data, in whatever file."""

import os
import stat
import sys
from pathlib import Path

OWN = 0o077
OWN_AND_GROUP = 0o007


def keep_private(data_dir: Path) -> None:
    """Takes from others what this process writes from now on, and the data directory. Every entry point calls it before it writes anything.

    A directory that has a group on purpose (the set-group-id bit, ``chmod 2770``) stays open to that group: so web and workers can be two
    users. A directory that was open before is closed, and the operator is told.
    """
    found = data_dir.stat().st_mode if data_dir.exists() else 0
    mask = OWN_AND_GROUP if found & stat.S_ISGID else OWN
    os.umask(mask)
    if found & mask:
        print(_closed(data_dir, found, mask), file=sys.stderr, flush=True)


def _closed(data_dir: Path, found: int, mask: int) -> str:
    """Closes the directory; what there is to say about it."""
    were = f"Other users of this machine could read the data directory {data_dir} (mode {stat.S_IMODE(found):o})"
    try:
        data_dir.chmod(stat.S_IMODE(found) & ~mask)
    except OSError as error:
        return f"{were}, and this process may not change that ({error.strerror}). Run: chmod go= {data_dir}"
    return f"{were}. Now only the portal's own user can."
