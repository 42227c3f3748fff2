"""One small finished run, shared by the tests that only read it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demur.manifests import Catalogue
from demur.signing import SigningKey
from rhea.config import TIERS, Settings
from rhea.folder import open_folder
from rhea.train import Order, carry_out

BEGAN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The tests tier, for a twentieth of its budget."""
    tier = TIERS["tests"]
    return replace(tier.for_minutes(tier.minutes / 10), threads=1)


@pytest.fixture(scope="session")
def run_key() -> SigningKey:
    return SigningKey.generate("rhea-tests")


@pytest.fixture(scope="session")
def finished_run(catalogue: Catalogue, settings: Settings, run_key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run over the generated photos, from before any list was published."""
    out = tmp_path_factory.mktemp("runs") / "first"
    open_folder(out, None)
    carry_out(Order((catalogue,), None, out, settings, seed=0, name="First", key=run_key, started_at=BEGAN))
    return out
