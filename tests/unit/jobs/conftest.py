from collections.abc import Iterator
from pathlib import Path

import pytest

from config import Config
from demur.manifests import Catalogue
from jobs.workplace import Workplace
from rights.signing_keys import make_keys
from tests.factories import make_manifest
from tests.support.brokers import Broker


@pytest.fixture
def workplace(database_url: str, broker: Broker, catalogue: Catalogue, tmp_path: Path) -> Iterator[Workplace]:
    """A data directory with keys and one registered manifest, and an empty broker."""
    config = Config(data_dir=tmp_path, database_url=database_url, DEMUR_REDIS_URL=broker.url)
    make_keys(config.keys_dir, config.list_name)
    config.catalogues_dir.mkdir()
    (config.catalogues_dir / "generated").symlink_to(catalogue.path)
    workplace = Workplace.open(config)
    with workplace.writing.begin() as session:
        make_manifest(session, name="generated", catalogue="generated", digest=catalogue.digest, rows=catalogue.rows)
    yield workplace
    workplace.reading.kw["bind"].dispose()
