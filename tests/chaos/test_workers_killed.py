"""Workers, relay and broker die in mid-propagation; nothing is lost and nothing happens twice."""

import json
import random
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import undefer

from demur.exclusions import KeyKind
from demur.exclusions.reader import ExclusionList
from demur.exclusions.sources import DirectorySource
from demur.receipts import LogKind
from demur.signing import SigningKey, VerifyKey
from demur.tlog.files import LogFiles
from demur.tlog.reader import LogReader
from demur.vectors import DeletionVectors
from models import (
    AuditEvent,
    ExclusionEntry,
    ExclusionListVersion,
    LogEntry,
    OptOut,
    Outbox,
    RequestState,
    RightsRequest,
    RightsRequestEvent,
)
from rights.log import compare_log
from rights.optouts import Photos, file_opt_outs
from rights.public_keys import LOG_VERIFIER_FILE
from rights.receipts import receipt
from tests.support.brokers import Broker
from tests.support.workshop import OWNERS, Workshop, uids_of, workshop

PHOTOS_A_REQUEST = 2
REQUESTS = OWNERS * 2
WORKERS = ("list-1", "search-1", "vectors-1")  # each is killed twice
OTHERS = ("relay", "thumbnails-1")
PATIENCE_S = 180  # on a quiet machine a tenth of it suffices
DONE_OR_NOT = (Outbox.done_at.is_not(None), Outbox.done_at.is_(None))


@pytest.mark.slow
def test_kills_lose_nothing_and_double_nothing(tmp_path: Path, database_url: str, own_broker: Broker):
    rng = random.Random(11)
    with workshop(tmp_path, database_url, own_broker) as shop:
        for name in (*OTHERS, *WORKERS):
            shop.start(name)
        for round_number in range(6):
            file_requests(shop, range(round_number * REQUESTS // 6, (round_number + 1) * REQUESTS // 6))
            wait_until_working(shop)
            time.sleep(rng.uniform(0, 0.1))
            victim = WORKERS[round_number % len(WORKERS)]
            shop.kill(victim)
            if round_number in (1, 4):
                own_broker.kill()
                own_broker.lose_everything()
                own_broker.start()
            if round_number == 2:
                own_broker.flush()
                shop.kill("relay")
                shop.start("relay")
            shop.start(victim)
        wait_until_done(shop)
        check(shop)
        check_log(shop)
        assert [shop.stop(name) for name in (*OTHERS, *WORKERS)] == [0] * 5, shop.logs()


def file_requests(shop: Workshop, numbers: range) -> None:
    for number in numbers:
        owner = f"owner{number % OWNERS}"
        first = number // OWNERS * PHOTOS_A_REQUEST
        account = shop.account(owner)
        with shop.workplace.writing.begin() as session:
            chosen = Photos(tuple(uids_of(owner)[first : first + PHOTOS_A_REQUEST]))
            file_opt_outs(session, shop.workplace.catalogues, account, chosen, now=datetime.now(UTC))


def wait_until_working(shop: Workshop) -> None:
    """Returns when jobs are being carried out, with more of them to do."""
    before, deadline = None, time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with shop.workplace.reading() as session:
            done, waiting = (session.scalars(select(Outbox.id).where(condition)).all() for condition in DONE_OR_NOT)
        if before is not None and len(done) > before and waiting:
            return
        before = len(done)
        time.sleep(0.02)
    raise AssertionError(f"nothing is carried out\n{shop.logs()}")


def wait_until_done(shop: Workshop) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with shop.workplace.reading() as session:
            waiting = session.scalar(select(func.count()).select_from(Outbox).where(Outbox.done_at.is_(None)))
            states = Counter(session.scalars(select(RightsRequest.state)))
        if waiting == 0 and states == {RequestState.FULFILLED: REQUESTS}:
            return
        time.sleep(0.1)
    raise AssertionError(f"after {PATIENCE_S} s {waiting} outbox rows wait and the requests are {states}\n{shop.logs()}")


def check(shop: Workshop) -> None:
    excluded = {uid for n in range(OWNERS) for uid in uids_of(f"owner{n}")[: 2 * PHOTOS_A_REQUEST]}
    with shop.workplace.reading() as session:
        handed_again = select(func.count()).select_from(Outbox).where(Outbox.attempts > 1)
        assert (session.scalar(handed_again) or 0) > 0, "no kill hit anything"
        opt_outs = session.scalars(select(OptOut)).all()
        assert Counter(opt_out.subject for opt_out in opt_outs) == dict.fromkeys(excluded, 1)
        assert all(opt_out.propagated_at and opt_out.effective_version for opt_out in opt_outs)
        entries = session.execute(select(ExclusionEntry.opt_out_id, ExclusionEntry.kind)).all()
        assert Counter(entries) == {(opt_out.id, kind): 1 for opt_out in opt_outs for kind in ("uid", "sha256", "phash")}
        states = session.execute(select(RightsRequestEvent.request_id, RightsRequestEvent.state)).all()
        assert set(Counter(states).values()) == {1}
        assert len(states) == 3 * REQUESTS
        fulfilled = session.scalars(select(AuditEvent.subject).where(AuditEvent.action == "request.fulfilled")).all()
        assert len(fulfilled) == len(set(fulfilled)) == REQUESTS
        versions = session.scalars(select(ExclusionListVersion).order_by(ExclusionListVersion.version)).all()
    assert [version.version for version in versions] == list(range(1, len(versions) + 1))
    assert sum(version.added for version in versions) == 3 * len(excluded)
    assert sum(version.removed for version in versions) == 0
    key = SigningKey.load(shop.config.keys_dir / "list.pem").verifier
    published = ExclusionList.open(str(shop.config.list_dir), key=key)
    assert published.head.version == versions[-1].version
    assert {entry.key for entry in published.entries if entry.kind is KeyKind.UID} == excluded
    vectors = DeletionVectors.open(shop.config.vectors_dir, key=key, manifest="many")
    assert vectors.head.list.version == versions[-1].version
    rows = [json.loads(line)["uid"] for line in (shop.config.data_dir / "photos.jsonl").read_text().splitlines()]
    assert {rows[place] for place in vectors.of("photos.jsonl")} == excluded


def check_log(shop: Workshop) -> None:
    """Every filing and every opt-out's taking effect is stated once, and each statement has its receipt in one log without a gap."""
    key = VerifyKey.load(shop.config.keys_dir / LOG_VERIFIER_FILE)
    log = LogReader(DirectorySource(shop.config.log_dir).read, key)
    with shop.workplace.reading() as session:
        assert compare_log(session, LogFiles(shop.config.log_dir), key).waiting == 0
        entries = session.scalars(select(LogEntry).options(undefer(LogEntry.envelope)).order_by(LogEntry.leaf_index)).all()
        statements = [receipt(log, entry).verify(key)[0] for entry in entries]
        subjects = session.scalars(select(OptOut.subject)).all()
    assert [entry.leaf_index for entry in entries] == list(range(len(entries)))
    for kind in (LogKind.OPT_OUT_FILED, LogKind.OPT_OUT_LISTED):
        assert Counter(uid for statement in statements if statement.kind is kind for uid in statement.photos) == Counter(subjects)
