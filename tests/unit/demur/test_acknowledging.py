"""A publisher that cannot be told what was applied. One that can is in tests/functional/test_acknowledgements.py."""

from pathlib import Path

import pytest

from demur.exclusions.acknowledging import NotAcknowledged
from demur.exclusions.reader import ExclusionList
from demur.signing import SigningKey
from tests.support.exclusion_lists import build_version_for_today, publish_version, serve, uids

KEY = SigningKey.generate("op.example")


@pytest.fixture
def list_directory(tmp_path: Path) -> Path:
    publish_version(tmp_path, KEY, build_version_for_today(uids("a1")))
    return tmp_path


def test_a_directory_has_nobody_to_tell(list_directory: Path):
    exclusions = ExclusionList.open(list_directory, key=KEY.verifier)
    with pytest.raises(NotAcknowledged, match="from a directory"):
        exclusions.acknowledge("train.parquet", rows=2, dropped=1)


def test_who_takes_no_acknowledgements_and_who_is_gone_is_told_plainly(list_directory: Path):
    with serve(list_directory) as server:
        exclusions = ExclusionList.open(server.url, key=KEY.verifier, token=server.token)
        with pytest.raises(NotAcknowledged, match="it answered 501"):
            exclusions.acknowledge("train.parquet", rows=2, dropped=1)
        assert server.answers[-1] == ("/acknowledgements", 501)
    with pytest.raises(NotAcknowledged, match="did not answer with acknowledgements: no connection"):
        exclusions.acknowledge("train.parquet", rows=2, dropped=1)
