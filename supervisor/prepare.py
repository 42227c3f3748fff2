"""What a data directory needs before the portal can serve: the newest tables, and the keys that sign lists and run records."""

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig

from config import Config
from demur.files import atomic_write
from demur.signing import SigningKey

MIGRATIONS = Path(__file__).parents[1] / "migrations"
RUN_SIGNER = "run-signer"


def migrate(url: str) -> None:
    """Brings the database at ``url`` to the newest tables."""
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(settings, "head")


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
