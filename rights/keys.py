"""The keys that a data directory needs: they sign exclusion lists, the log with its receipts, and run records."""

from pathlib import Path

from demur.files import atomic_write
from demur.signing import SigningKey
from rights.runs import SIGNERS_DIR

LIST_KEY_FILE = "list.pem"
LOG_KEY_FILE = "log.pem"
LOG_VERIFIER_FILE = "log.vkey"
RUN_SIGNER = "run-signer"


def make_keys(keys_dir: Path, list_name: str) -> None:
    """Makes the keys that are missing; keys that are there stay as they are.

    ``list.pem`` signs exclusion lists, ``log.pem`` receipts and the log's checkpoints, ``run-signer.pem`` the run records of this machine's
    model worker, and every key in ``runs/`` may sign run records.
    """
    keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    _key(keys_dir / LIST_KEY_FILE, list_name)
    _verifier(keys_dir / LOG_VERIFIER_FILE, _key(keys_dir / LOG_KEY_FILE, f"{list_name}/log"))
    _verifier(keys_dir / SIGNERS_DIR / f"{RUN_SIGNER}.vkey", _key(keys_dir / f"{RUN_SIGNER}.pem", f"{list_name}-runs"))


def _key(path: Path, name: str) -> SigningKey:
    if not path.exists():
        SigningKey.generate(name).save(path)
    return SigningKey.load(path)


def _verifier(path: Path, key: SigningKey) -> None:
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        atomic_write(path, f"{key.verifier}\n".encode())
