"""The reader's memory between invocations: the highest version it has trusted, and the newest key, so that rollback and fork are seen and a
stolen older key is of no use."""

import json
from dataclasses import replace
from pathlib import Path

from demur.digests import canonical_json
from demur.exclusions.trusted import ListRefused, ReachedKey, Trusted
from demur.fields import count, digest, text
from demur.files import alone_in, atomic_write
from demur.signing import BadKey, VerifyKey


class BadState(ListRefused):
    """The state file was changed or is not a state file. Whoever removes it gives up the protection against rollback."""


def load_state(path: Path) -> Trusted | None:
    """What was trusted last; None when the file does not exist yet. Raises BadState."""
    try:
        fields = json.loads(path.read_bytes())
        told = fields["key"]
        key = ReachedKey(count(told["number"]), VerifyKey.parse(text(told["text"]))) if told is not None else None
        return Trusted(text(fields["list_id"]), count(fields["version"]), digest(fields["root"]), key)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError, BadKey) as error:
        raise BadState(f"{path} is not a readable state file, so a rolled-back list could not be noticed") from error


def save_state(path: Path, trusted: Trusted) -> None:
    """Remembers `trusted`; durable once it returns. Never lowers what another process has stored meanwhile. Raises BadState."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone_in(path.parent):
            stored = load_state(path)
            later = _later(stored, trusted) if stored else trusted
            if later != stored:
                atomic_write(path, _written(later))
    except OSError as error:
        raise BadState(f"{path} cannot be written: {error.strerror}") from error


def _later(stored: Trusted, trusted: Trusted) -> Trusted:
    """The higher version and the newer key: another process may have seen more of one, and less of the other."""
    if stored.list_id != trusted.list_id:
        return stored
    numbered = [reached for reached in (stored.key, trusted.key) if reached is not None]
    key = max(numbered, key=lambda reached: reached.number, default=None)
    return replace(trusted if trusted.version > stored.version else stored, key=key)


def _written(trusted: Trusted) -> bytes:
    key = {"number": trusted.key.number, "text": str(trusted.key.key)} if trusted.key else None
    return canonical_json({"list_id": trusted.list_id, "root": trusted.root, "version": trusted.version, "key": key})
