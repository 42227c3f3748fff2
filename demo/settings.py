"""The demonstration's settings: the portal runs with them as it would with a real platform's."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from config import Config
from demo.members import MEMBERS
from demur.files import atomic_write

OPERATOR = "Lantern"


@dataclass(frozen=True)
class DemoDirectory:
    """What the demonstration keeps beside the portal's own data."""

    path: Path

    @classmethod
    def of(cls, config: Config) -> "DemoDirectory":
        return cls(config.data_dir / "demo")

    @property
    def photos(self) -> Path:
        """What the platform hands out: the manifest's source."""
        return self.path / "photos"

    @property
    def source(self) -> Path:
        """Says where the pictures came from."""
        return self.path / "source.txt"

    @property
    def provider(self) -> Path:
        return self.path / "provider"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets.json"


@dataclass(frozen=True)
class Demonstration:
    """``settings`` are environment variables; ``welcome`` says who can sign in."""

    settings: dict[str, str]
    welcome: tuple[str, ...]

    @classmethod
    def of(cls, config: Config) -> "Demonstration":
        """Settings for a demonstration in ``config.data_dir``. The secrets are made once and kept there."""
        issuer = provider_url(config.base_url)
        settings = {
            "DEMUR_DEMO": "true",
            "DEMUR_OPERATOR_NAME": OPERATOR,
            "DEMUR_OIDC_ISSUER": issuer,
            **_kept_secrets(DemoDirectory.of(config).secrets),
        }
        return cls(settings, (*_who_can_sign_in(), *_what_else()))


def provider_url(base_url: str) -> str:
    """The demo provider listens beside the portal, on the next port."""
    parts = urlsplit(base_url)
    return f"http://{parts.hostname}:{(parts.port or 80) + 1}"


def _kept_secrets(path: Path) -> dict[str, str]:
    if not path.exists():
        made = {name: secrets.token_urlsafe(32) for name in ("DEMUR_OIDC_CLIENT_SECRET", "DEMUR_WEBHOOK_SECRET")}
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, json.dumps(made).encode(), mode=0o600)
    kept: dict[str, str] = json.loads(path.read_text())
    return kept


def _who_can_sign_in() -> list[str]:
    width = max(len(member.name) for member in MEMBERS)
    return [f"Sign in as any of {OPERATOR}’s members, without a password:", *(f"  {m.name:<{width}}  {m.about}" for m in MEMBERS)]


def _what_else() -> list[str]:
    return [
        "",
        f"Later, from another terminal, let something happen at {OPERATOR}:",
        "  .venv/bin/python -m demo.platform delete         Ben deletes a photo",
        "  .venv/bin/python -m demo.platform make-private   Chiara makes one private",
    ]
