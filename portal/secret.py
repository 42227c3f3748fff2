"""The key that signs form tokens: configured, or random and kept beside the other keys."""

import os
import secrets
from pathlib import Path

from config import Config


def secret_key(config: Config) -> str:
    """The same key for every process of one portal. Raises OSError when the keys directory cannot be written."""
    return config.secret_key or _kept(config.keys_dir / "forms.secret")


def _kept(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            os.link(aside, path)  # fails when another process was first: then its key is the key
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_text()
