"""The keys that a data directory needs: they sign exclusion lists and run records."""

from pathlib import Path

from demur.files import atomic_write
from demur.signing import SigningKey
from rights.runs import SIGNERS_DIR

LIST_KEY_FILE = "list.pem"
RUN_SIGNER = "run-signer"


def make_keys(keys_dir: Path, list_name: str) -> None:
    """Makes the keys that are missing; keys that are there stay as they are.

    ``list.pem`` signs exclusion lists, ``run-signer.pem`` the run records of this machine's model worker, and every key in ``runs/``
    may sign run records.
    """
    keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    _key(keys_dir / LIST_KEY_FILE, list_name)
    signer = _key(keys_dir / f"{RUN_SIGNER}.pem", f"{list_name}-runs")
    trusted = keys_dir / SIGNERS_DIR / f"{RUN_SIGNER}.vkey"
    if not trusted.exists():
        trusted.parent.mkdir(exist_ok=True)
        atomic_write(trusted, f"{signer.verifier}\n".encode())


def _key(path: Path, name: str) -> SigningKey:
    if not path.exists():
        SigningKey.generate(name).save(path)
    return SigningKey.load(path)
