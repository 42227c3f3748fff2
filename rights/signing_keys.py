"""The portal's private keys, for jobs and the operator's commands alone: they sign exclusion lists, the log with its receipts, and run
records. The web tier knows the public halves (rights.public_keys), which are written here beside them.
"""

import stat
from dataclasses import dataclass
from pathlib import Path

from demur.files import atomic_write
from demur.signing import SigningKey
from rights.list_keys import LIST_KEY_FILE, signing_key
from rights.public_keys import KEYS_DIR_MODE, LIST_VERIFIER_FILE, LOG_VERIFIER_FILE, PUBLIC_MODE, SIGNERS_DIR

LOG_KEY_FILE = "log.pem"
RUN_SIGNER = "run-signer"


@dataclass(frozen=True)
class SigningKeys:
    """Reads the files at each call. Every method raises BadKey, OSError."""

    keys_dir: Path
    list_dir: Path

    def list_key(self) -> SigningKey:
        """What signs the list's next version. Raises BadRotation, too."""
        return signing_key(self.keys_dir, self.list_dir)

    def log_key(self) -> SigningKey:
        """What signs the log's checkpoints, and what the operator states."""
        return SigningKey.load(self.keys_dir / LOG_KEY_FILE)

    def run_signer(self) -> SigningKey:
        """What this machine's model worker signs run records by."""
        return SigningKey.load(self.keys_dir / f"{RUN_SIGNER}.pem")


def make_keys(keys_dir: Path, list_name: str) -> None:
    """Makes the keys that are missing, and the public halves that are; what is there stays as it is.

    ``list.pem`` signs exclusion lists, ``log.pem`` receipts and the log's checkpoints, ``run-signer.pem`` the run records of this machine's
    model worker, and every key in ``runs/`` may sign run records. An older data directory gets the list's
    public half here.
    """
    keys_dir.mkdir(parents=True, exist_ok=True, mode=KEYS_DIR_MODE)
    _open_to_the_group(keys_dir)
    _verifier(keys_dir / LIST_VERIFIER_FILE, _key(keys_dir / LIST_KEY_FILE, list_name))
    _verifier(keys_dir / LOG_VERIFIER_FILE, _key(keys_dir / LOG_KEY_FILE, f"{list_name}/log"))
    _verifier(keys_dir / SIGNERS_DIR / f"{RUN_SIGNER}.vkey", _key(keys_dir / f"{RUN_SIGNER}.pem", f"{list_name}-runs"))


def _key(path: Path, name: str) -> SigningKey:
    if not path.exists():
        SigningKey.generate(name).save(path)
    return SigningKey.load(path)


def _verifier(path: Path, key: SigningKey) -> None:
    if not path.exists():
        path.parent.mkdir(exist_ok=True, mode=KEYS_DIR_MODE)
        atomic_write(path, f"{key.verifier}\n".encode(), PUBLIC_MODE)


def _open_to_the_group(keys_dir: Path) -> None:
    """For a data directory that got its group later (``chmod 2770``): it may enter, and read all but the private keys."""
    if keys_dir.parent.stat().st_mode & stat.S_ISGID:
        for path in (keys_dir, *(path for path in keys_dir.iterdir() if path.is_dir())):
            path.chmod(stat.S_ISGID | KEYS_DIR_MODE)
            for shared in (*path.glob("*.vkey"), *path.glob("*.secret")):
                shared.chmod(PUBLIC_MODE)
