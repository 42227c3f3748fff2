"""The public halves of the portal's keys, by what each may sign: all that the web tier reads. It needs no access to a private key.

Whoever makes or changes a key writes its public half beside it (rights.signing_keys).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from demur.errors import DemurError
from demur.exclusions.rotation import ROTATIONS_FILE, Keyring
from demur.signing import BadKey, VerifyKey
from demur.tlog.checkpoint import WitnessKey
from demur.trust import Trust

KEYS_DIR_MODE, PUBLIC_MODE = 0o750, 0o640  # less the umask: a group that the data directory is open to reads them, and changes none
LIST_VERIFIER_FILE = "list.vkey"
LOG_VERIFIER_FILE = "log.vkey"
SIGNERS_DIR = "runs"  # inside the keys directory: a file for each who may sign run records
WITNESSES_DIR = "witnesses"  # and one for each witness whose cosignatures are served

_Key = TypeVar("_Key", bound=VerifyKey)


class DamagedKey(DemurError):
    """A file of public keys is there, and cannot be read or holds no key of its kind: the operator must repair it."""


class KeyOfAnotherRole(DemurError):
    """A key of one who signs run records is, or is named like, the key of the list or of the log: the operator must remove it."""


@dataclass(frozen=True)
class PublicKeys:
    """Reads the files at each call, so that a key that was changed is known at once. ``list_dir`` holds the list's key rotations."""

    keys_dir: Path
    list_dir: Path

    def list_key(self) -> VerifyKey | None:
        """The key that signs the list now; None before there is one. Raises DamagedKey, BadRotation, UnknownKey."""
        key = _parsed(self.keys_dir / LIST_VERIFIER_FILE, VerifyKey)
        rotations = _bytes(self.list_dir / ROTATIONS_FILE)
        return Keyring.of(key, rotations).reached.key if key and rotations is not None else key

    def log_key(self) -> VerifyKey | None:
        """The log's key; None before there is one. Raises DamagedKey."""
        return _parsed(self.keys_dir / LOG_VERIFIER_FILE, VerifyKey)

    def run_signers(self) -> tuple[VerifyKey, ...]:
        """The keys whose run records are taken in. Raises DamagedKey, KeyOfAnotherRole, what list_key raises."""
        signers = _all(self.keys_dir / SIGNERS_DIR, VerifyKey)
        for taken in (self.list_key(), self.log_key()):
            for signer in signers:
                if taken is not None and (signer.name == taken.name or signer.public == taken.public):
                    raise KeyOfAnotherRole(f"the key {signer.key_id} in {SIGNERS_DIR}/ passes for {taken.key_id}; remove it")
        return signers

    def witnesses(self) -> tuple[WitnessKey, ...]:
        """The witnesses whose cosignatures are served. Raises DamagedKey."""
        return _all(self.keys_dir / WITNESSES_DIR, WitnessKey)

    def trust(self) -> Trust:
        """What this portal's own list, log and runs are signed by; no witness is demanded. Raises what the others raise."""
        lists, logs = self.list_key(), self.log_key()
        return Trust((lists,) if lists else (), (logs,) if logs else (), self.run_signers())


def _parsed(path: Path, kind: type[_Key]) -> _Key | None:
    """None only where there is no such file. Raises DamagedKey."""
    data = _bytes(path)
    try:
        return kind.parse(data.decode()) if data is not None else None
    except (BadKey, UnicodeDecodeError) as error:
        raise DamagedKey(f"the key file {path.name} is damaged: {error}") from error


def _bytes(path: Path) -> bytes | None:
    """None only where there is no such file. Raises DamagedKey."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedKey(f"the key file {path.name} cannot be read: {error.strerror}") from error


def _all(directory: Path, kind: type[_Key]) -> tuple[_Key, ...]:
    """None where there is no such directory. Raises DamagedKey."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".vkey"))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise DamagedKey(f"the directory {directory.name} of keys cannot be read: {error.strerror}") from error
    return tuple(key for name in names if (key := _parsed(directory / name, kind)) is not None)
