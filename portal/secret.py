"""The web part's secrets: one key for each purpose, derived from one master that is configured, or random and kept beside the other keys.

No key here signs anybody in: a session is 256 random bits in a cookie (portal.sessions), and whoever holds the master can forge form tokens
and looked-up pictures of a session or an account that they can already use.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config import Config
from rights.public_keys import KEYS_DIR_MODE, PUBLIC_MODE

FILE = "web.secret"  # the web part's user reads it, where it is another one of the data directory's group
KEY_BYTES = 32


@dataclass(frozen=True, repr=False)
class Secrets:
    """Keys of 32 bytes. ``forms`` marks form tokens, ``pictures`` what was looked up; ``addresses`` hides addresses that are counted."""

    forms: bytes
    pictures: bytes
    addresses: bytes

    @classmethod
    def open(cls, config: Config) -> Self:
        """The same keys for every process of one portal. Raises OSError when the keys directory cannot be written."""
        master = (config.secret_key or _kept(config.keys_dir / FILE)).encode()
        return cls(*(derived(master, purpose) for purpose in ("form tokens", "looked-up pictures", "counted addresses")))


def derived(master: bytes, purpose: str) -> bytes:
    """HKDF-SHA256 (RFC 5869) with the purpose as its info: what one key shows says nothing about another."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"demur {purpose}".encode()).derive(master)


def _kept(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True, mode=KEYS_DIR_MODE)
    if not path.exists():
        aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PUBLIC_MODE), "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            os.link(aside, path)  # fails when another process was first: then its key is the key
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_text()
