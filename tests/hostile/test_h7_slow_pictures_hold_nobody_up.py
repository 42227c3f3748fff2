"""H7: twelve pictures of one member, each made to take its decoder as long as it may, delay nobody else's opt-out and no renewal."""

import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from models import ExclusionListVersion, OptOut
from rights.imports import import_and_register
from rights.optouts import Everything, Photos, file_opt_outs
from tests.hostile.test_h4_pictures_of_a_manifest import slow as slow
from tests.support.brokers import Broker
from tests.support.waiting import wait_until
from tests.support.workshop import Workshop, uids_of, workshop

PICTURES = 12
IN_EFFECT_S = 5.0
PATIENCE_S = 60.0  # where other work has the machine


def write_slow_manifest(folder: Path, slow: bytes) -> Path:
    """It came with its hashes, so that its import decodes nothing."""
    folder.mkdir()
    rows = []
    for number in range(PICTURES):
        data = slow + bytes([number])
        (folder / f"{number}.jpg").write_bytes(data)
        row = {"uid": f"grace-{number}", "owner": "grace", "path": f"{number}.jpg", "caption": "", "width": 9, "height": 9}
        digest = hashlib.sha256(data).hexdigest()
        rows.append(row | {"sha256": digest, "phash": f"{number:016x}", "pdq": f"{number:064x}", "pdq_quality": 90})
    (folder / "photos.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder / "photos.jsonl"


def file(shop: Workshop, owner: str, selection: Photos | Everything) -> None:
    account = shop.account(owner)
    with shop.workplace.writing.begin() as session:
        file_opt_outs(session, shop.workplace.catalogues, account, selection, now=datetime.now(UTC))


def listed(shop: Workshop, owner: str) -> bool:
    with shop.workplace.reading() as session:
        waiting = select(func.count()).where(OptOut.owner == owner, OptOut.effective_version.is_(None))
        return session.scalar(waiting) == 0


def searched(shop: Workshop, owner: str) -> bool:
    with shop.workplace.reading() as session:
        return session.scalar(select(func.count()).where(OptOut.owner == owner, OptOut.propagated_at.is_(None))) == 0


def newest(shop: Workshop) -> int:
    with shop.workplace.reading() as session:
        return session.scalar(select(func.max(ExclusionListVersion.version))) or 0


@pytest.mark.parametrize("selection", [Everything(), Photos(tuple(f"grace-{number}" for number in range(PICTURES)))], ids=["all", "twelve"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_anothers_opt_out_is_in_effect_and_the_list_renewed_meanwhile(
    tmp_path: Path, database_url: str, own_broker: Broker, slow: bytes, selection: Photos | Everything
):
    with workshop(tmp_path, database_url, own_broker) as shop:
        place = shop.workplace
        source = write_slow_manifest(tmp_path / "slow", slow)
        import_and_register(place.writing, place.catalogues, source, "slow", clock=lambda: datetime.now(UTC), workers=0)
        for part in ("relay", "list-1", "search-1"):
            shop.start(part)
        file(shop, "owner0", Photos((uids_of("owner0")[0],)))  # the workers are up
        wait_until("the first opt-out is in effect", lambda: listed(shop, "owner0"), PATIENCE_S)
        file(shop, "grace", selection)
        wait_until("the slow pictures themselves are listed", lambda: listed(shop, "grace"), PATIENCE_S)

        began = time.monotonic()
        file(shop, "owner1", Photos((uids_of("owner1")[0],)))
        wait_until("another's opt-out is in effect", lambda: listed(shop, "owner1"), PATIENCE_S)
        seconds = time.monotonic() - began
        assert not searched(shop, "grace"), "it did not wait for her pictures"
        assert seconds <= IN_EFFECT_S
        print(f"in effect after {seconds:.1f} s, behind {PICTURES} slow pictures")

        before = newest(shop)
        with place.writing.begin() as session:
            soon = datetime.now(UTC) + timedelta(hours=1)
            session.execute(update(ExclusionListVersion).where(ExclusionListVersion.version == before).values(expires_at=soon))
        wait_until("the list is renewed", lambda: newest(shop) > before, PATIENCE_S)
        assert not searched(shop, "grace"), "nor did the renewal"
