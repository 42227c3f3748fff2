"""The reader's memory between invocations: the highest version it has trusted, so that rollback and fork are seen."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demur.digests import canonical_json
from demur.exclusions.trusted import ListRefused, Trusted
from demur.fields import count, digest, text
from demur.files import atomic_write


class BadState(ListRefused):
    """The state file was changed or is not a state file. Whoever removes it gives up the protection against rollback."""


def load_state(path: Path) -> Trusted | None:
    """What was trusted last; None when the file does not exist yet. Raises BadState."""
    try:
        fields = json.loads(path.read_bytes())
        return Trusted(text(fields["list_id"]), count(fields["version"]), digest(fields["root"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadState(f"{path} is not a readable state file, so a rolled-back list could not be noticed") from error


def save_state(path: Path, trusted: Trusted) -> None:
    """Remembers `trusted`; durable once it returns. Never lowers what another process has stored meanwhile. Raises BadState."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.parent):
            stored = load_state(path)
            if stored is None or (stored.list_id == trusted.list_id and stored.version < trusted.version):
                atomic_write(path, canonical_json({"list_id": trusted.list_id, "root": trusted.root, "version": trusted.version}))
    except OSError as error:
        raise BadState(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
