"""The keys that a data directory needs before the portal can serve: they sign exclusion lists and run records."""

from pathlib import Path

from config import Config
from demur.files import atomic_write
from demur.signing import SigningKey

RUN_SIGNER = "run-signer"


def make_keys(config: Config) -> None:
    """Makes the keys that are missing; keys that are there stay as they are.

    ``list.pem`` signs exclusion lists, ``run-signer.pem`` the run records of this machine's model worker, and every key in ``runs/``
    may sign run records.
    """
    config.keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    _key(config.keys_dir / "list.pem", config.list_name)
    signer = _key(config.keys_dir / f"{RUN_SIGNER}.pem", f"{config.list_name}-runs")
    trusted = config.keys_dir / "runs" / f"{RUN_SIGNER}.vkey"
    if not trusted.exists():
        trusted.parent.mkdir(exist_ok=True)
        atomic_write(trusted, f"{signer.verifier}\n".encode())


def _key(path: Path, name: str) -> SigningKey:
    if not path.exists():
        SigningKey.generate(name).save(path)
    return SigningKey.load(path)
